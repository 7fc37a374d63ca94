"""``python -m unlearn search``: pictures of an index for a text, as the model or an erasure of it finds them."""

from __future__ import annotations

import argparse
from pathlib import Path

from unlearn.cli.arguments import add_erasure

HELP = "Search an index that `index` made, before or after an erasure; no picture is encoded again."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--index", type=Path, required=True, metavar="INDEX", help="folder that `index` wrote")
    parser.add_argument("--query", required=True, metavar="TEXT", help="what to look for")
    add_erasure(parser, ", by CCUP")
    parser.add_argument("-k", type=int, default=10, metavar="N", help="pictures to find (default: 10)")


def run(arguments: argparse.Namespace) -> None:
    # Imported here so that --help answers at once.
    from unlearn.clip.encoders import TextImageEncoder
    from unlearn.clip.loading import load_clip
    from unlearn.concepts.selection import TEMPLATES
    from unlearn.errors import require_whole
    from unlearn.export.saved import load_erasure
    from unlearn.index.search import PictureIndex

    k = require_whole("k", arguments.k, largest=10_000)
    index = PictureIndex.open(arguments.index)
    base = load_clip(index.store.header.model)
    encoder: TextImageEncoder = base
    if arguments.erasure is not None:
        encoder = load_erasure(arguments.erasure, base).apply(base)
    for hit in index.find(encoder, arguments.query, TEMPLATES, k):
        print(f"{hit.score:.4f}\t{index.store.location(hit.index)}")
