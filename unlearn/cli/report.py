"""``python -m unlearn report``: write a report on an erasure as one page of HTML."""

from __future__ import annotations

import argparse
from pathlib import Path

import unlearn
from unlearn.cli.arguments import add_erasure, add_images, add_model
from unlearn.cli.progress import progress_bar
from unlearn.files.writing import require_file

HELP = "Write what an erasure does, with pictures and charts, as one HTML file that needs no network."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_erasure(parser, required=True)
    add_images(parser, "to measure on and to show")
    parser.add_argument(
        "--vocabulary", metavar="NAME", help="labels offered, as in erase (default: the app's, or the folder's classes)"
    )
    parser.add_argument("--attack", action="store_true", help="attack the first concept, as audit does, and report it")
    parser.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE", help="default: report.html")


def run(arguments: argparse.Namespace) -> None:
    require_file(arguments.out)
    clip = unlearn.load_clip(arguments.model)
    erasure, attacks = unlearn.load(arguments.erasure, clip), None
    if arguments.attack:
        with progress_bar("attacking") as show:
            attacks = unlearn.audit(clip, erasure, images=arguments.images, on_progress=show)
    written = unlearn.write_report(
        arguments.out,
        clip,
        erasure,
        images=arguments.images,
        vocabulary=arguments.vocabulary,
        audit=attacks,
        on_notice=print,
    )
    print(f"Wrote {written}")
