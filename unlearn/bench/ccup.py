"""What CCUP costs the other concepts: forget and retain accuracy against how many concepts are erased."""

from __future__ import annotations

from statistics import fmean

import torch
from tqdm import tqdm

from unlearn.bench.table import Table, machine
from unlearn.concepts import Vocabulary, load_vocabulary, select
from unlearn.encoders import OpenClipEncoder, TextImageEncoder, load_clip
from unlearn.erasers import ccup
from unlearn.evaluation.zero_shot import ZeroShotReport, evaluate_zero_shot
from unlearn.gallery import Gallery, bundled_gallery, restore_features

#: how many concepts at once, and how many such sets
PLAN = ((1, 20), (5, 20), (20, 4), (100, 4))
SEED = 0


def forget_sets(names: list[str], size: int, count: int) -> list[tuple[str, ...]]:
    """``count`` sets of ``size`` names drawn without repetition inside a set, with :data:`SEED`."""
    generator = torch.Generator().manual_seed(SEED + size)
    return [tuple(names[i] for i in torch.randperm(len(names), generator=generator)[:size]) for _ in range(count)]


def erase_and_measure(
    encoder: TextImageEncoder,
    gallery: Gallery,
    forget: tuple[str, ...],
    settings: ccup.Settings,
    vocabulary: Vocabulary,
) -> tuple[ZeroShotReport, ZeroShotReport]:
    """Zero-shot reports before and after erasing ``forget``; all of the vocabulary's labels are offered."""
    erasure = ccup.erase(encoder, select(forget, vocabulary=vocabulary), settings, vocabulary=vocabulary)
    before, after = (
        evaluate_zero_shot(variant, gallery, forget=forget, classnames=vocabulary.names)
        for variant in (encoder, erasure.apply(encoder))
    )
    return before, after


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
            "retain before → after, %",
            "worst set, points",
        ),
        rows=tuple(rows),
        note=f"Top-1 on the gallery's test split ({len(gallery)} pictures, {len(vocabulary.names)} labels offered, "
        f"erased ones included), mean over sets drawn with seed {SEED} from the {len(known)} concepts that the model "
        f"knows; worst set: largest fall of retain accuracy. λ = {ccup.Settings.lam:g}, μ = {ccup.Settings.mu:g}; "
        f"{machine()}.",
    )


def _row(size: int, count: int, mode: str, measured: list[tuple[ZeroShotReport, ZeroShotReport]]) -> tuple[str, ...]:
    forget = [fmean(100 * reports[i].forget.top1 for reports in measured) for i in (0, 1)]
    retain = [fmean(100 * reports[i].retain.top1 for reports in measured) for i in (0, 1)]
    worst = max(100 * (before.retain.top1 - after.retain.top1) for before, after in measured)
    return (
        str(size),
        str(count),
        mode,
        f"{forget[0]:.1f} → {forget[1]:.1f}",
        f"{retain[0]:.1f} → {retain[1]:.1f}",
        f"{-worst:+.1f}",
    )
