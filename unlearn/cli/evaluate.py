"""``python -m unlearn evaluate``: measure a model, or an erasure of it, on labelled images."""

from __future__ import annotations

import argparse

import unlearn
from unlearn.cli.arguments import add_device, add_erasure, add_images, add_model, names_of
from unlearn.cli.output import Result, notice_printer, progress_bar

HELP = "Measure a model, or an erasure of it, on labelled images."
EXAMPLES = ("evaluate --erasure erased", "evaluate --images FOLDER --vocabulary imagenet --json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_device(parser)
    add_erasure(parser)
    add_images(parser, "to measure on")
    parser.add_argument(
        "--vocabulary",
        metavar="NAME",
        help="labels offered (default: the classes): bundled, imagenet, cifar100, FILE or WORD,WORD",
    )
    parser.add_argument("--forget", nargs="+", metavar="CONCEPT", help="classes that count as erased")


def run(arguments: argparse.Namespace) -> Result:
    clip = unlearn.load_clip(arguments.model, device=arguments.device)
    with progress_bar("encoding images", quiet=arguments.quiet) as show:
        result = unlearn.evaluate(
            clip,
            erasure=None if arguments.erasure is None else unlearn.load(arguments.erasure, clip),
            images=arguments.images,
            forget=None if arguments.forget is None else names_of(arguments.forget),
            vocabulary=arguments.vocabulary,
            on_progress=show,
        )
    for notice in result.notices:
        notice_printer(arguments)(notice)
    return Result(str(result), result.to_dict())
