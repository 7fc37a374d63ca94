"""``python -m unlearn evaluate``: measure a model, or an erasure of it, on labelled images."""

from __future__ import annotations

import argparse
import json

import unlearn
from unlearn.cli.arguments import add_erasure, add_images, add_json, add_model, names_of, print_notices
from unlearn.cli.progress import progress_bar

HELP = "Measure a model, or an erasure of it, on a folder with one subfolder a class, or on a public data set."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_erasure(parser)
    add_images(parser, "to measure on")
    parser.add_argument(
        "--vocabulary",
        metavar="NAME",
        help="labels offered (default: the classes): bundled, imagenet, cifar100, FILE or WORD,WORD",
    )
    parser.add_argument("--forget", nargs="+", metavar="CONCEPT", help="classes that count as erased")
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    clip = unlearn.load_clip(arguments.model)
    with progress_bar("encoding images") as show:
        result = unlearn.evaluate(
            clip,
            erasure=None if arguments.erasure is None else unlearn.load(arguments.erasure, clip),
            images=arguments.images,
            forget=None if arguments.forget is None else names_of(arguments.forget),
            vocabulary=arguments.vocabulary,
            on_progress=show,
        )
    print_notices(result.notices, json=arguments.json)
    print(json.dumps(result.to_dict()) if arguments.json else result)
