"""``python -m unlearn erase``: erase concepts and write the edited model."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unlearn.cli import finetuning
from unlearn.cli.arguments import add_model, add_options, names_of, print_notices
from unlearn.erasers.methods import METHODS, Task
from unlearn.erasers.settings import CCUPSettings, CLIPEraseSettings
from unlearn.errors import ErasureFileError, require_choice, require_whole
from unlearn.files.writing import require_file
from unlearn.options import options_of

if TYPE_CHECKING:
    from unlearn.clip.encoders import OpenClipEncoder
    from unlearn.erasers import cliperase

#: Settings that are arguments; one that has no effect on the method is refused.
SETTINGS = tuple(name for owner in (CCUPSettings, CLIPEraseSettings) for name in options_of(owner) if name != "seed")
HELP = "Erase concepts from a CLIP model and write the edited checkpoint and a record of it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "--method",
        default="ccup",
        help=f"how to erase: {', '.join(METHODS)} (default: ccup)",
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
    # Imported here so that --help answers at once.
    from unlearn.clip.loading import load_clip, pick_device
    from unlearn.concepts.named_vocabularies import vocabulary_argument, vocabulary_text
    from unlearn.concepts.selection import select
    from unlearn.data.gallery import restore_features
    from unlearn.evaluation.as_json import before_and_after
    from unlearn.export.saved import require_own, save_erasure
    from unlearn.export.snippets import snippets_of
    from unlearn.export.vanished import live_only
    from unlearn.finetuning.processes import Processes
    from unlearn.finetuning.sources import BUNDLED, training_data

    require_own(arguments.out)
    if arguments.checkpoint is not None:
        require_file(arguments.checkpoint)
    method = METHODS[require_choice("method", arguments.method, tuple(METHODS))]
    require_whole("seed", arguments.seed, lowest=0, largest=2**31 - 1)
    retain = _retained(arguments)
    forget = names_of(arguments.forget)
    data = training_data(arguments.pictures, forget)
    if arguments.vocabulary is not None:
        data = replace(data, vocabulary=vocabulary_argument(arguments.vocabulary))
    selection = select(forget, retain, vocabulary=data.vocabulary)
    processes = Processes.current(pick_device())  # before the model is loaded: each process has its own GPU
    if processes.first:
        print_notices((*data.notices, *selection.notices))

    encoder = load_clip(arguments.model)
    restore_features(encoder)
    base_erasure, learned_from = _beneath(arguments, encoder)
    words, pictures = data.vocabulary, (data.train, data.test)
    task = Task(encoder, selection, words, *pictures, arguments.seed, base_erasure, arguments.checkpoint)
    given = {name: value for name in SETTINGS if (value := getattr(arguments, name)) is not None}
    erasure = finetuning.watched(method.fit(task, **given), quiet=not (method.trains and processes.first))
    if not processes.first:
        return
    edited, erased = erasure.apply(encoder), erasure.selection
    metrics = before_and_after(encoder, edited, data.test, erased.forget_names, words, progress=True)
    for notice in erased.notices:
        if notice not in selection.notices:  # those were told at once
            print(notice)
    _print(metrics)
    if given.get("strength", 1) == 1 and (left := _left(metrics, len(words.names))):
        print(left)
    own_classes = arguments.vocabulary is None and base_erasure is None and arguments.pictures != BUNDLED
    formats = arguments.formats
    if formats is None:
        why = live_only(edited, erased, words.templates)
        formats = [] if why else ["open_clip"]
        if why:
            print(why)
    save_erasure(
        arguments.out,
        encoder,
        erasure,
        metrics=metrics,
        seed=arguments.seed,
        vocabulary="" if own_classes else vocabulary_text(data.vocabulary),
        pictures=learned_from,
        templates=words.templates,
        formats=formats,
    )
    print(f"Wrote {arguments.out}. To use it without this package:")
    for name, code in snippets_of(arguments.out, erasure, encoder.name, formats).items():
        print(f"\n--- {name}\n{code}", end="")


def _retained(arguments: argparse.Namespace) -> list[str] | str | None:
    """What is to be protected, where something is named."""
    from unlearn.concepts.named_vocabularies import read_list

    path: Path | None = arguments.retain_file
    if path is None:
        return None if arguments.retain is None else names_of(arguments.retain)
    return read_list(path)


def _beneath(arguments: argparse.Namespace, encoder: OpenClipEncoder) -> tuple[cliperase.Erasure | None, str]:
    """What CCUP is to be put on top of, if anything, and the pictures that the erasure learns from, or did."""
    from unlearn.erasers import cliperase
    from unlearn.export.saved import load_recorded

    if arguments.on is None:
        return None, arguments.pictures
    tuned, record = load_recorded(arguments.on, encoder)
    if not isinstance(tuned, cliperase.Erasure):
        raise ErasureFileError(f"“{arguments.on}” is no erasure by CLIPErase; CCUP goes on top of such a one.")
    return tuned, record.pictures


def _left(metrics: Mapping[str, Any], labels: int) -> str:
    """A sentence where the edit leaves more than chance of what was to be erased."""
    from unlearn.evaluation.zero_shot import above_chance

    after = metrics["after"]["forget"]
    return above_chance(after["top1"], after["n"], labels) if after["n"] else ""


def _print(metrics: Mapping[str, Any]) -> None:
    """Accuracy before and after in two lines."""
    for part in ("forget", "retain"):
        before, after = (metrics[label][part] for label in ("before", "after"))
        shown = f"{before['top1']:.1%} → {after['top1']:.1%}" if before["n"] else "no pictures to measure it"
        print(f"{part}: top-1 {shown} (n = {before['n']})")
