"""``python -m unlearn erase``: erase concepts and write the edited model."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "Erase concepts from a CLIP model and write the edited checkpoint and a record of it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="pocket", help="model name, as load_clip takes it (default: pocket)")
    parser.add_argument("--method", choices=("ccup",), default="ccup", help="how to erase (default: ccup)")
    parser.add_argument("--forget", nargs="+", required=True, metavar="CONCEPT", help="concepts to erase")
    retain = parser.add_mutually_exclusive_group()
    retain.add_argument("--retain", nargs="+", metavar="CONCEPT", help="concepts to protect (default: the vocabulary)")
    retain.add_argument("--retain-file", type=Path, metavar="FILE", help="the same, one a line")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--mode", choices=("consistent", "nullspace"), default="consistent", help="form of CCUP")
    parser.add_argument("--strength", type=float, default=1.0, help="from 0 to 1 (default: 1)")
    parser.add_argument("--side", choices=("image", "text", "both"), default="image", help="embeddings to edit")
    parser.add_argument("--lambda", dest="lam", type=float, default=None, metavar="λ", help="weight of forgetting")
    parser.add_argument("--mu", type=float, default=None, metavar="μ", help="weight of retaining")
    parser.add_argument("--seed", type=int, default=0, help="written to the record; CCUP itself draws nothing")


def run(arguments: argparse.Namespace) -> None:
    # Imported here so that --help answers at once.
    from unlearn.cli.metrics import zero_shot_metrics
    from unlearn.concepts import load_vocabulary, parse_names, select
    from unlearn.encoders import load_clip
    from unlearn.erasers import ccup
    from unlearn.errors import ConceptError
    from unlearn.evaluation.zero_shot import evaluate_zero_shot
    from unlearn.export import RECORD, save_erasure
    from unlearn.gallery import bundled_gallery, restore_features

    retain = arguments.retain
    if arguments.retain_file is not None:
        if not arguments.retain_file.is_file():
            raise ConceptError(f"The retain file “{arguments.retain_file}” is not a file.")
        retain = arguments.retain_file.read_text(encoding="utf-8")
    vocabulary, gallery = load_vocabulary(), bundled_gallery().test
    selection = select(
        [name for given in arguments.forget for name in parse_names(given)], retain, vocabulary=vocabulary
    )
    weights = {name: value for name in ("lam", "mu") if (value := getattr(arguments, name)) is not None}
    settings = ccup.Settings(mode=arguments.mode, strength=arguments.strength, side=arguments.side, **weights)
    for notice in selection.notices:
        print(notice)

    encoder = load_clip(arguments.model)
    restore_features(encoder)
    erasure = ccup.erase(encoder, selection, settings, vocabulary=vocabulary)
    reports = {
        label: evaluate_zero_shot(
            variant, gallery, forget=selection.forget_names, classnames=vocabulary.names, progress=True
        )
        for label, variant in (("before", encoder), ("after", erasure.apply(encoder)))
    }
    metrics = {"images": gallery.name, **{label: zero_shot_metrics(report) for label, report in reports.items()}}
    save_erasure(arguments.out, encoder, erasure, metrics=metrics, seed=arguments.seed)

    for part in ("forget", "retain"):
        before, after = (getattr(reports[label], part) for label in ("before", "after"))
        shown = f"{before.top1:.1%} → {after.top1:.1%}" if before.n else "no pictures to measure it"
        print(f"{part}: top-1 {shown} (n = {before.n})")
    print(f"Wrote {arguments.out / RECORD}")
