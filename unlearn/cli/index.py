"""``python -m unlearn index``: encode a folder tree of images once, to search it with any erasure by CCUP."""

from __future__ import annotations

import argparse
from pathlib import Path

import unlearn
from unlearn.cli.arguments import add_device, add_model, add_out
from unlearn.cli.output import Result, notice_printer, progress_bar
from unlearn.files.writing import require_folder

HELP = "Encode the images of a folder tree into an index on disk; a build that was cut off goes on."
EXAMPLES = ("index FOLDER -o INDEX",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("images", type=Path, metavar="DIR", help="folder with images in it or in its subfolders")
    add_out(parser, "INDEX", "folder to write to, or to go on with")
    add_model(parser)
    add_device(parser)


def run(arguments: argparse.Namespace) -> Result:
    require_folder(arguments.out)
    clip = unlearn.load_clip(arguments.model, device=arguments.device)
    with progress_bar("encoding images", quiet=arguments.quiet) as show:
        made = unlearn.index_images(arguments.images, arguments.out, clip, on_progress=show)
    for notice in made.notices:
        notice_printer(arguments)(notice)
    written = {"out": str(made.folder), "images": made.images, "skipped": made.skipped}
    return Result(f"Wrote {made.folder}: {made.images:,} images, {made.skipped:,} skipped.", written)


def go_on(arguments: argparse.Namespace) -> str:
    return f"The same command goes on with what “{arguments.out}” holds."
