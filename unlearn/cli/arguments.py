"""Arguments that several subcommands share."""

from __future__ import annotations

import argparse
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from unlearn.concepts.selection import parse_names
from unlearn.errors import ParameterError
from unlearn.options import options_of


def add_output(parser: argparse._ActionsContainer) -> None:
    """Add ``--quiet`` and ``--json``, which every command that prints a result takes."""
    parser.add_argument("-q", "--quiet", action="store_true", help="print no notices and no progress")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")


def add_out(parser: argparse._ActionsContainer, metavar: str, purpose: str, *, default: Path | None = None) -> None:
    """Add ``-o``, where the command writes to; it is required without a ``default``."""
    parser.add_argument(
        "-o", "--out", type=Path, metavar=metavar, required=default is None, default=default, help=purpose
    )


def add_model(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--model", default="pocket", help="model name, as load_clip takes it (default: pocket)")


def add_device(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1 or mps (default: the best there is)")


def add_erasure(parser: argparse._ActionsContainer, note: str = "", *, required: bool = False) -> None:
    """Add ``--erasure``; ``note`` is appended to its common help text."""
    about = f"folder or file that `erase` wrote{note}"
    parser.add_argument("--erasure", type=Path, metavar="PATH", required=required, help=about)


def add_images(parser: argparse._ActionsContainer, purpose: str) -> None:
    """Add ``--images``; ``purpose`` says in its help text what the images are used for."""
    parser.add_argument(
        "--images",
        default="bundled",
        metavar="SOURCE",
        help=f"labelled images {purpose}: bundled (default), a folder with one subfolder a class, a CSV, JSONL or "
        "Parquet file, WebDataset archives, datasets:ORG/NAME, or a public data set by name, as cifar100",
    )


def add_options(parser: argparse._ActionsContainer, owner: type[Any], *, but: Container[str] = ()) -> None:
    """Add a flag for every option of the dataclass ``owner`` except ``but``; the value of an unset flag is None."""
    for known in options_of(owner).values():
        if known.name in but:
            continue
        default = f" (default: {known.usual})"
        if known.kind is bool:
            parser.add_argument(
                f"--no-{known.name}", dest=known.name, action="store_const", const=False, help=f"do not {known.help}"
            )
        elif known.choices:
            parser.add_argument(
                known.flag, dest=known.name, choices=tuple(known.choices), help=f"{known.help}{default}"
            )
        else:
            allowed = f", {known.range}" if known.range else ""
            parser.add_argument(
                known.flag, dest=known.name, type=known.kind, metavar="N", help=f"{known.help}{allowed}{default}"
            )


def require_inputs(arguments: argparse.Namespace) -> None:
    """Raise unless the erasures that a command reads exist: models take long to load.

    Raises:
        ParameterError: there is nothing at a path.
    """
    for name in ("erasure", "on"):
        path: Path | None = getattr(arguments, name, None)
        if path is not None and not path.exists():
            raise ParameterError(f"--{name}: there is nothing at “{path}”.")


def names_of(given: Iterable[str]) -> list[str]:
    """Split the command-line words ``given`` into names; a word may hold several names, separated by commas."""
    return [name for word in given for name in parse_names(word)]
