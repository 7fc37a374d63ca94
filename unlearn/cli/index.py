"""``python -m unlearn index``: encode a folder tree of images once, to search it with any erasure by CCUP."""

from __future__ import annotations

import argparse
from pathlib import Path

import unlearn
from unlearn.cli.arguments import add_model, print_notices
from unlearn.cli.progress import progress_bar
from unlearn.files.writing import require_folder

HELP = "Encode the pictures of a folder tree into an index on disk; a build that was cut off goes on."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", type=Path, metavar="DIR", help="folder with pictures in it or in its subfolders")
    parser.add_argument("--out", type=Path, required=True, metavar="INDEX", help="folder to write to, or to go on with")
    add_model(parser)


def run(arguments: argparse.Namespace) -> None:
    require_folder(arguments.out)
    with progress_bar("encoding images") as show:
        index = unlearn.index_images(
            arguments.images, arguments.out, unlearn.load_clip(arguments.model), on_progress=show
        )
    print_notices(index.notices)
    print(f"Wrote {index.folder}: {index.images:,} pictures, {index.skipped:,} skipped.")
