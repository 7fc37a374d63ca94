"""``python -m unlearn erase``: erase concepts and write the edited model."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import unlearn
from unlearn import functions
from unlearn.cli import finetuning
from unlearn.cli.arguments import add_model, add_options, names_of
from unlearn.cli.progress import progress_bar
from unlearn.concepts.named_vocabularies import read_list
from unlearn.erasers.settings import CCUPSettings, CLIPEraseSettings
from unlearn.errors import require_choice
from unlearn.files.writing import require_file
from unlearn.functions.arguments import ARGUMENTS
from unlearn.options import options_of

#: Settings that are arguments; a setting that has no effect on the method is rejected.
SETTINGS = tuple(name for owner in (CCUPSettings, CLIPEraseSettings) for name in options_of(owner) if name != "seed")
HELP = "Erase concepts from a CLIP model and write the edited checkpoint and a record of it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "--method",
        default="ccup",
        help=f"how to erase: {', '.join(ARGUMENTS)} (default: ccup)",
    )
    parser.add_argument("--forget", nargs="+", required=True, metavar="CONCEPT", help="concepts to erase")
    retain = parser.add_mutually_exclusive_group()
    retain.add_argument("--retain", nargs="+", metavar="CONCEPT", help="concepts to protect (default: the vocabulary)")
    retain.add_argument(
        "--retain-file", type=Path, metavar="FILE", help="the same, one a line; lines that begin with # are comments"
    )
    parser.add_argument(
        "--vocabulary",
        metavar="NAME",
        help="labels offered and retained: bundled, imagenet, cifar100, a FILE, or words with commas between",
    )
    parser.add_argument("--on", type=Path, metavar="PATH", help="an erasure by CLIPErase, to put CCUP on top of")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument(
        "--formats",
        nargs="*",
        choices=("open_clip", "transformers"),
        help="forms of the whole model to write (default: open_clip, if weights can hold the edit); the edit and its "
        "record are always written",
    )
    parser.add_argument("--seed", type=int, default=0, help="of CLIPErase's batches; CCUP itself draws nothing")
    add_options(parser.add_argument_group("CCUP"), CCUPSettings)
    finetuning.add_arguments(parser.add_argument_group("CLIPErase"))


def run(arguments: argparse.Namespace) -> None:
    functions.require_own(arguments.out)
    if arguments.checkpoint is not None:
        require_file(arguments.checkpoint)
    method: Any = require_choice("method", arguments.method, tuple(ARGUMENTS))
    retain = _retained(arguments)
    # Before the model is loaded, because each process has its own GPU.
    processes = functions.Processes.current(functions.pick_device())
    encoder = unlearn.load_clip(arguments.model)
    on = None if arguments.on is None else unlearn.load(arguments.on, encoder)
    options: dict[str, Any] = {name: value for name in SETTINGS if (value := getattr(arguments, name)) is not None}
    with progress_bar("erasing", quiet=not processes.first) as show:
        erasure = unlearn.erase(
            encoder,
            names_of(arguments.forget),
            retain=retain,
            method=method,
            images=arguments.images,
            vocabulary=arguments.vocabulary,
            seed=arguments.seed,
            on=on,
            checkpoint=arguments.checkpoint,
            measure=processes.first,
            on_progress=show,
            on_notice=print if processes.first else None,
            **options,
        )
    if not processes.first:
        return
    _print(erasure.metrics)
    saved = unlearn.save(erasure, arguments.out, encoder, formats=arguments.formats)
    for notice in filter(None, (erasure.left_over, *saved.notices)):
        print(notice)
    print(f"Wrote {saved.folder}. To use it without this package:")
    for name, code in saved.snippets.items():
        print(f"\n--- {name}\n{code}", end="")


def _retained(arguments: argparse.Namespace) -> list[str] | str | None:
    """Return the names of the retain set, or None if none are given."""
    path: Path | None = arguments.retain_file
    if path is None:
        return None if arguments.retain is None else names_of(arguments.retain)
    return read_list(path)


def _print(metrics: Mapping[str, Any]) -> None:
    """Print accuracy before and after the erasure in two lines."""
    for part in ("forget", "retain"):
        before, after = (metrics[label][part] for label in ("before", "after"))
        shown = f"{before['top1']:.1%} → {after['top1']:.1%}" if before["n"] else "no pictures to measure it"
        print(f"{part}: top-1 {shown} (n = {before['n']})")
