"""Arguments that several subcommands take, each described once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from unlearn.concepts.selection import parse_names


def add_model(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--model", default="pocket", help="model name, as load_clip takes it (default: pocket)")


def add_erasure(parser: argparse._ActionsContainer, note: str = "", *, required: bool = False) -> None:
    """``note`` goes on where the help of all of them ends."""
    about = f"folder or file that `erase` wrote{note}"
    parser.add_argument("--erasure", type=Path, metavar="PATH", required=required, help=about)


def add_images(parser: argparse._ActionsContainer, purpose: str) -> None:
    """``purpose`` is what the images are for."""
    parser.add_argument(
        "--images",
        default="bundled",
        metavar="SOURCE",
        help=f"labelled images {purpose}: bundled (default), a folder with one subfolder a class, or a public data set "
        "by name, as cifar100",
    )


def add_json(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, as fractions, and nothing else")


def print_notices(notices: Iterable[str], *, json: bool = False) -> None:
    """Say what was noticed beside the result; on stderr where that is JSON."""
    for notice in notices:
        print(notice, file=sys.stderr if json else sys.stdout)


def names_of(given: Iterable[str]) -> list[str]:
    """The names in ``given``, words of a command line: each may be several, with commas between."""
    return [name for word in given for name in parse_names(word)]
