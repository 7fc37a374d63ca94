"""``python -m unlearn search``: find images of an index for a text, with the model or an erasure of it."""

from __future__ import annotations

import argparse
from pathlib import Path

import unlearn
from unlearn.cli.arguments import add_erasure

HELP = "Search an index that `index` made, before or after an erasure; no picture is encoded again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--index", type=Path, required=True, metavar="INDEX", help="folder that `index` wrote")
    parser.add_argument("--query", required=True, metavar="TEXT", help="what to look for")
    add_erasure(parser, ", by CCUP")
    parser.add_argument("-k", type=int, default=10, metavar="N", help="pictures to find (default: 10)")


def run(arguments: argparse.Namespace) -> None:
    for found in unlearn.search_images(arguments.index, arguments.query, erasure=arguments.erasure, k=arguments.k):
        print(f"{found.score:.4f}\t{found.path}")
