"""What CLIPErase reaches on the embedded model: ten runs, each with a seed and concepts of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

import torch
from tqdm import tqdm

from unlearn.bench.ccup import forget_sets
from unlearn.bench.table import Table, machine
from unlearn.concepts import load_vocabulary, select
from unlearn.encoders import OpenClipEncoder, weights_checksum
from unlearn.erasers import cliperase
from unlearn.errors import JobError
from unlearn.evaluation.zero_shot import ZeroShotReport, evaluate_zero_shot
from unlearn.gallery import bundled_gallery, restore_features
from unlearn.jobs import drive
from unlearn.loading import load_clip

#: Concepts erased at once, and the seeds of such runs.
PLAN = {1: range(5), 5: range(5, 10)}


@dataclass(frozen=True)
class Outcome:
    """One run: reports on the test split with all labels offered, and what the training took, in seconds."""

    before: ZeroShotReport
    after: ZeroShotReport
    seconds: float


def known_concepts(encoder: OpenClipEncoder) -> list[str]:
    """The concepts that can be measured and trained on: right in the test split, shown in the training split."""
    gallery = bundled_gallery()
    report = evaluate_zero_shot(encoder, gallery.test, classnames=load_vocabulary().names)
    shown = set(gallery.train.concepts)
    return [name for name, accuracy in report.per_class.items() if accuracy.top1 > 0 and name in shown]


def run_once(encoder: OpenClipEncoder, forget: Sequence[str], settings: cliperase.Settings) -> Outcome:
    """Train and measure; the base model's weights are checked to be what they were.

    Raises:
        JobError: the base model was changed.
    """
    vocabulary, gallery = load_vocabulary(), bundled_gallery()
    checksum = weights_checksum(encoder.model)
    started = time.perf_counter()
    erasure = drive(
        cliperase.train(
            encoder,
            select(forget, vocabulary=vocabulary),
            settings,
            galleries=[gallery.train],
            probe=gallery.test,
            classnames=vocabulary.names,
        )
    )
    seconds = time.perf_counter() - started
    if weights_checksum(encoder.model) != checksum:
        raise JobError("The base model's weights changed during the run.")
    before, after = (
        evaluate_zero_shot(variant, gallery.test, forget=forget, classnames=vocabulary.names)
        for variant in (encoder, erasure.apply(encoder))
    )
    return Outcome(before, after, seconds)


def run(quick: bool = False) -> Table:
    """Ten runs: five erase one concept, five erase five at once; the first also pays for encoding the pictures."""
    encoder = load_clip("pocket")
    restore_features(encoder)
    gallery = bundled_gallery()
    known = known_concepts(encoder)
    plan = {size: seeds[:1] for size, seeds in PLAN.items()} if quick else PLAN
    outcomes: dict[int, list[Outcome]] = {size: [] for size in plan}
    with tqdm(total=sum(map(len, plan.values())), desc="CLIPErase", unit="run") as bar:
        for size, seeds in plan.items():
            for seed, forget in zip(seeds, forget_sets(known, size, len(seeds)), strict=True):
                outcomes[size].append(run_once(encoder, forget, cliperase.Settings(seed=seed)))
                bar.update()
    first = next(iter(outcomes.values()))[0].seconds
    return Table(
        name="cliperase",
        columns=(
            "erased at once",
            "runs",
            "forget before → after, %",
            "worst forget, %",
            "retain before → after, %",
            "worst run, points",
            "seconds a run",
        ),
        rows=tuple(_row(size, done) for size, done in outcomes.items()),
        note=f"Top-1 on the gallery's test split: {len(gallery.test)} pictures never trained on, "
        f"{len(load_vocabulary().names)} labels offered, erased ones included. Every run has a seed and concepts of "
        f"its own, drawn from the {len(known)} that the model knows. Trained on {len(gallery.train)} pictures in other "
        "drawing styles with the defaults of `unlearn.erasers.cliperase.Settings`. Seconds are a run's median, "
        f"evaluation apart; the first run of all took {first:.0f}, as it also encodes the pictures. {machine()}, "
        f"{torch.get_num_threads()} threads.",
    )


def _row(size: int, outcomes: list[Outcome]) -> tuple[str, ...]:
    reports = {
        part: [(getattr(o.before, part).top1, getattr(o.after, part).top1) for o in outcomes]
        for part in ("forget", "retain")
    }
    means = {part: [fmean(100 * pair[i] for pair in pairs) for i in (0, 1)] for part, pairs in reports.items()}
    return (
        str(size),
        str(len(outcomes)),
        "{:.1f} → {:.1f}".format(*means["forget"]),
        f"{100 * max(after for _, after in reports['forget']):.1f}",
        "{:.1f} → {:.1f}".format(*means["retain"]),
        f"{100 * min(after - before for before, after in reports['retain']):+.1f}",
        f"{median(o.seconds for o in outcomes):.0f}",
    )
