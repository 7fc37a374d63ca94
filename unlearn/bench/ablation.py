"""What each of CLIPErase's modules is for: the same runs with some of them left out, as in the paper's ablation."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from tqdm import tqdm

from unlearn.bench.ccup import forget_sets
from unlearn.bench.cliperase import known_concepts, run_once
from unlearn.bench.table import Table, machine
from unlearn.concepts import load_vocabulary
from unlearn.erasers.cliperase import Settings
from unlearn.gallery import bundled_gallery, restore_features
from unlearn.loading import load_clip

SIZE, RUNS = 5, 3
VARIANTS: dict[str, dict[str, Any]] = {
    "forgetting only": {"retention_weight": 0.0, "consistency_weight": 0.0},
    "+ retention": {"consistency_weight": 0.0},
    "+ retention + consistency": {},
    "the same with gradient ascent": {"forgetting": "gradient_ascent"},
}


def run(quick: bool = False) -> Table:
    """Erase five concepts at once with each choice of modules; same concepts and seeds for all."""
    encoder = load_clip("pocket")
    restore_features(encoder)
    sets = forget_sets(known_concepts(encoder), SIZE, 1 if quick else RUNS)
    rows = []
    with tqdm(total=len(VARIANTS) * len(sets), desc="ablation", unit="run") as bar:
        for name, changes in VARIANTS.items():
            outcomes = []
            for seed, forget in enumerate(sets):
                outcomes.append(run_once(encoder, forget, Settings(seed=seed, **changes)))
                bar.update()
            columns = [
                [100 * fmean(getattr(getattr(o, when), part).top1 for o in outcomes) for when in ("before", "after")]
                for part in ("forget", "retain")
            ]
            rows.append((name, *("{:.1f} → {:.1f}".format(*column) for column in columns)))
    return Table(
        name="ablation",
        columns=("modules", "forget before → after, %", "retain before → after, %"),
        rows=tuple(rows),
        note=f"Mean of {len(sets)} runs that erase {SIZE} concepts at once, seeds from 0; top-1 on the gallery's test "
        f"split ({len(bundled_gallery().test)} pictures), {len(load_vocabulary().names)} labels offered. {machine()}.",
    )
