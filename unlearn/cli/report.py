"""``python -m unlearn report``: write a report on an erasure as one page of HTML."""

from __future__ import annotations

import argparse
from pathlib import Path

import unlearn
from unlearn.cli.arguments import add_device, add_erasure, add_images, add_model, add_out
from unlearn.cli.output import Result, notice_printer, progress_bar
from unlearn.files.writing import require_file

HELP = "Write what an erasure does, with images and charts, as one HTML file that needs no network."
EXAMPLES = ("report --erasure erased -o report.html",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_device(parser)
    add_erasure(parser, required=True)
    add_images(parser, "to measure on and to show")
    parser.add_argument(
        "--vocabulary", metavar="NAME", help="labels offered, as in erase (default: the app's, or the folder's classes)"
    )
    parser.add_argument("--attack", action="store_true", help="attack the first concept, as audit does, and report it")
    add_out(parser, "FILE", "page to write (default: report.html)", default=Path("report.html"))


def run(arguments: argparse.Namespace) -> Result:
    require_file(arguments.out)
    clip = unlearn.load_clip(arguments.model, device=arguments.device)
    erasure, attacks = unlearn.load(arguments.erasure, clip), None
    if arguments.attack:
        with progress_bar("attacking", quiet=arguments.quiet) as show:
            attacks = unlearn.audit(clip, erasure, images=arguments.images, on_progress=show)
    written = unlearn.write_report(
        arguments.out,
        clip,
        erasure,
        images=arguments.images,
        vocabulary=arguments.vocabulary,
        on_notice=notice_printer(arguments),
        audit=attacks,
    )
    return Result(f"Wrote {written}", {"out": str(written)})
