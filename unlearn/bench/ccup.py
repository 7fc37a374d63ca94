"""What CCUP costs the other concepts: forget and retain accuracy against how many concepts are erased."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

import torch
from tqdm import tqdm

from unlearn.bench.table import Table, machine
from unlearn.concepts import Vocabulary, load_vocabulary, select
from unlearn.encoders import OpenClipEncoder, TextImageEncoder, class_embeddings
from unlearn.erasers import ccup
from unlearn.evaluation.zero_shot import ZeroShotReport, evaluate_zero_shot, ranks_among_few
from unlearn.gallery import Gallery, bundled_gallery, image_features, restore_features
from unlearn.loading import load_clip

#: how many concepts at once, and how many such sets
PLAN = ((1, 20), (5, 20), (20, 4), (100, 4))
SEED = 0


def forget_sets(names: list[str], size: int, count: int) -> list[tuple[str, ...]]:
    """``count`` sets of ``size`` names drawn without repetition inside a set, with :data:`SEED`."""
    generator = torch.Generator().manual_seed(SEED + size)
    return [tuple(names[i] for i in torch.randperm(len(names), generator=generator)[:size]) for _ in range(count)]


@dataclass(frozen=True)
class Outcome:
    """One forget set: reports with all of the vocabulary's labels offered, and accuracy on it among five labels."""

    before: ZeroShotReport
    after: ZeroShotReport
    among_few: float


def erase_and_measure(
    encoder: TextImageEncoder,
    gallery: Gallery,
    forget: tuple[str, ...],
    settings: ccup.Settings,
    vocabulary: Vocabulary,
) -> Outcome:
    """Erase ``forget`` and measure before and after."""
    erasure = ccup.erase(encoder, select(forget, vocabulary=vocabulary), settings, vocabulary=vocabulary)
    edited, names = erasure.apply(encoder), vocabulary.names
    before, after = (
        evaluate_zero_shot(variant, gallery, forget=forget, classnames=names) for variant in (encoder, edited)
    )
    targets = gallery.targets(names)
    shown = torch.tensor([names[target] in forget for target in targets.tolist()])
    few = ranks_among_few(image_features(edited, gallery)[shown], class_embeddings(edited, names), targets[shown])
    return Outcome(before, after, float((few < 1).float().mean()))


def run(quick: bool = False, encoder: OpenClipEncoder | None = None) -> Table:
    """Erase 1, 5, 20 and 100 concepts that the model knows, in both modes, on the held-out drawing style."""
    encoder = encoder or load_clip("pocket")
    restore_features(encoder)
    vocabulary = load_vocabulary()
    gallery = bundled_gallery().test
    report = evaluate_zero_shot(encoder, gallery, classnames=vocabulary.names)
    known = [name for name, accuracy in report.per_class.items() if accuracy.top1 > 0]
    plan = tuple((size, 2) for size, _ in PLAN) if quick else PLAN
    rows = []
    with tqdm(total=2 * sum(count for _, count in plan), desc="CCUP", unit="erasure") as bar:
        for size, count in plan:
            for mode in ccup.MODES:
                measured = []
                for forget in forget_sets(known, size, count):
                    measured.append(erase_and_measure(encoder, gallery, forget, ccup.Settings(mode=mode), vocabulary))
                    bar.update()
                rows.append(_row(size, count, mode, measured))
    return Table(
        name="ccup",
        columns=(
            "erased at once",
            "sets",
            "mode",
            "forget before → after, %",
            "erased among 5 labels, %",
            "retain before → after, %",
            "worst set, points",
        ),
        rows=tuple(rows),
        note=f"Top-1 on the gallery's test split ({len(gallery)} pictures, {len(vocabulary.names)} labels offered, "
        f"erased ones included; “among 5”: the own label and four others, chance is 20 %), mean over sets drawn with "
        f"seed {SEED} from the {len(known)} concepts that the model "
        f"knows; worst set: largest fall of retain accuracy. λ = {ccup.Settings.lam:g}, μ = {ccup.Settings.mu:g}; "
        f"{machine()}.",
    )


def _row(size: int, count: int, mode: str, measured: list[Outcome]) -> tuple[str, ...]:
    def mean(value: Callable[[Outcome], float]) -> str:
        return f"{fmean(100 * value(outcome) for outcome in measured):.1f}"

    worst = min(100 * (outcome.after.retain.top1 - outcome.before.retain.top1) for outcome in measured)
    return (
        str(size),
        str(count),
        mode,
        f"{mean(lambda o: o.before.forget.top1)} → {mean(lambda o: o.after.forget.top1)}",
        mean(lambda o: o.among_few),
        f"{mean(lambda o: o.before.retain.top1)} → {mean(lambda o: o.after.retain.top1)}",
        f"{worst:+.1f}",
    )
