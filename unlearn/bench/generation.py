"""Effect of erasing on generated images: twenty concepts, one at a time, drawn before and after and judged."""

from __future__ import annotations

from tqdm import tqdm

from unlearn.bench.table import Table, machine
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.loading import load_clip
from unlearn.concepts.selection import load_vocabulary, select
from unlearn.diffusion.apply_edits import CARRY_METHODS, apply_to_pipeline
from unlearn.diffusion.pipelines import LoadedPipeline, load_pipeline
from unlearn.diffusion.rates import Detected, DetectionRate, cases_of, detect, two_thing_cases
from unlearn.erasers import ccup
from unlearn.evaluation.judge import load_judge
from unlearn.jobs import run_to_end

CONCEPTS, SEEDS = 20, 20


def run(quick: bool = False) -> Table:
    """Erase every fifth concept that the embedded pipeline draws, in both ways, and detect what is left of it."""
    loaded, encoder = load_pipeline("pocket"), load_clip("pocket")
    drawn = loaded.draws
    erased = drawn[:: len(drawn) // CONCEPTS][: 2 if quick else CONCEPTS]
    seeds = 4 if quick else SEEDS
    rows = []
    with tqdm(total=len(CARRY_METHODS) * len(erased), desc="generation", unit="erasure") as bar:
        for carry_method in CARRY_METHODS:
            groups: tuple[list[Detected], ...] = ([], [], [])
            for concept in erased:
                for group, verdicts in zip(groups, _judge(loaded, encoder, concept, carry_method, seeds), strict=True):
                    group.extend(verdicts)
                bar.update()
            rows.append((NAMES[carry_method], *(_percent(DetectionRate.of(group)) for group in groups)))
    return Table(
        name="generation",
        columns=("CCUP reaches the token states", "erased, seen", "others, seen", "the other of two, seen"),
        rows=tuple(rows),
        note=f"Share of pictures, before → after, in which the judge has the concept among its first five of "
        f"{len(load_judge().labels)}. {len(erased)} concepts, each erased alone; for each {seeds} pictures of it, "
        f"{seeds} of others and {seeds} of it beside another, seeds from 0, {loaded.known.steps} steps, guidance "
        f"{loaded.known.guidance:g}. {machine()}.",
    )


NAMES = {
    "ridge": "solved on the states (default)",
    "pull_back": "paired, pulled back from the joint space",
}


def _judge(
    loaded: LoadedPipeline, encoder: OpenClipEncoder, concept: str, carry_method: str, seeds: int
) -> list[list[Detected]]:
    """Return the detections in drawings of the erased concept, of others, and of both at once."""
    vocabulary = load_vocabulary()
    erasure = ccup.erase(encoder, select(concept, vocabulary=vocabulary), vocabulary=vocabulary)
    edited = apply_to_pipeline(loaded, encoder, closed_form=erasure, carry_method=carry_method).loaded
    others = [name for name in loaded.draws if name != concept]
    start = loaded.draws.index(concept)
    near = [others[(start + 5 * i) % len(others)] for i in range(seeds)]
    cases = [cases_of([concept], seeds), cases_of(near, seeds), two_thing_cases(concept, others, seeds)]
    known = loaded.known
    return run_to_end(detect(loaded, edited, cases, load_judge(), steps=known.steps, guidance=known.guidance))


def _percent(rate: DetectionRate) -> str:
    return f"{100 * rate.before:.1f} → {100 * rate.after:.1f} % (n = {rate.n})"
