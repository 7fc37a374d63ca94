"""``python -m unlearn search``: find images of an index for a text, with the model or an erasure of it."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import unlearn
from unlearn.cli.arguments import add_device, add_erasure
from unlearn.cli.output import Result

HELP = "Search an index that `index` made, before or after an erasure; no image is encoded again."
EXAMPLES = ('search --index INDEX --query "a guitar" --erasure erased',)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--index", type=Path, required=True, metavar="INDEX", help="folder that `index` wrote")
    parser.add_argument("--query", required=True, metavar="TEXT", help="what to look for")
    add_erasure(parser, ", by CCUP")
    parser.add_argument("-k", type=int, default=10, metavar="N", help="images to find (default: 10)")
    add_device(parser)


def run(arguments: argparse.Namespace) -> Result:
    found = unlearn.search_images(
        arguments.index, arguments.query, erasure=arguments.erasure, k=arguments.k, device=arguments.device
    )
    lines = [f"{image.score:.4f}\t{image.path}" for image in found]
    return Result("\n".join(lines), {"images": [asdict(image) for image in found]})
