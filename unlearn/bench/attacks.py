"""What attacks get out of every method's edit: some concepts, each erased alone and attacked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from unlearn.attacks import casts, probes, soft_prompt, words
from unlearn.attacks.finding import Finding
from unlearn.attacks.suspect import Suspect
from unlearn.bench.measurements import Measurements
from unlearn.bench.methods import Bench
from unlearn.bench.sets import SEED, forget_sets, known_concepts
from unlearn.bench.table import Table, machine
from unlearn.concepts import select
from unlearn.erasers.methods import METHODS, Task, fit
from unlearn.evaluation.intervals import bootstrap
from unlearn.finetuning.sources import BUNDLED
from unlearn.jobs import drive

CONCEPTS = 5
#: What is attacked, of :data:`unlearn.erasers.methods.METHODS`.
ATTACKED = ("none", "nullspace", "consistent", "ccup", "leace", "cliperase", "stacked")
Attack = Callable[[Suspect], Finding]


def _by_words(kind: str) -> Attack:
    return partial(words.attack_words, kind=kind)


def _by_probe(place: str) -> Attack:
    return partial(probes.attack_probe, place=place)


#: What the table's columns say, and the attack.
ATTACKS: dict[str, Attack] = {
    "name": _by_words("Its name"),
    "paraphrases": _by_words("Paraphrases"),
    "synonyms": _by_words("Synonyms"),
    "typos": _by_words("Typos"),
    "probe after the projection": _by_probe("Features after the projection"),
    "probe before it": _by_probe("Features before the projection"),
    "soft prompt": lambda suspect: drive(soft_prompt.attack_soft_prompt(suspect))[0],
    "int8 and fp16": casts.attack_casts,
}


@dataclass(frozen=True)
class Result:
    """An attack on one concept, as it is kept in a file."""

    after: float
    verdict: str


def run(quick: bool = False, *, model: str = "pocket", dataset: str = BUNDLED, resume: Path | None = None) -> Table:
    """Attack every method's edit of every concept; with ``resume`` what that file holds is not measured again."""
    bench = Bench.load(model, dataset)
    concepts = [name for (name,) in forget_sets(known_concepts(bench.encoder, bench.data), 1, 1 if quick else CONCEPTS)]
    methods = ("none", "consistent", "ccup") if quick else ATTACKED
    measurements = Measurements(resume)
    found: dict[str, list[dict[str, Any]]] = {method: [] for method in methods}
    with tqdm(total=len(methods) * len(concepts), desc="attacks", unit="edit") as bar:
        # By concept, so that what an attacker's pictures look like to the original is computed once for all methods.
        for seed, concept in enumerate(concepts):
            for method in methods:
                name = f"attacks {model} {dataset} {method} {seed} {concept}"
                found[method].append(
                    measurements.get(name, lambda m=method, c=concept, s=seed: _attack(bench, m, c, s))  # type: ignore[misc]
                )
                bar.update()
    return Table(
        name="attacks",
        columns=("method", *ATTACKS),
        rows=tuple(
            (METHODS[method].label, *(_cell(runs, attack) for attack in ATTACKS)) for method, runs in found.items()
        ),
        note=(
            "How often a picture of the erased concept ranks above another picture for the attack, in %: 50 is chance, "
            "and below it the erased stands out by its absence. Of words the best wording of each kind; int8 and "
            "fp16: top-1. Mean over "
            f"{len(concepts)} concepts, erased alone, with its 95 % bootstrap interval, and on how many it leaked: "
            "kept more than half of what it had above chance before the edit. Attackers learn from the pictures that "
            f"LEACE and CLIPErase learned from, and are measured on others. Concepts drawn with seed {SEED}. "
            f"{machine()}, {torch.get_num_threads()} threads."
        ),
    )


def _attack(bench: Bench, method: str, concept: str, seed: int) -> dict[str, Any]:
    data = bench.data
    selection = select(concept, vocabulary=data.vocabulary)
    erasure = drive(fit(method, Task(bench.encoder, selection, data.vocabulary, data.train, data.test, seed)))
    edited = erasure.apply(bench.encoder)
    suspect = Suspect(selection.forget[0], bench.encoder, edited, data.train, data.test, data.vocabulary, seed)
    drive(suspect.prepare())
    found = {name: attack(suspect) for name, attack in ATTACKS.items()}
    return {name: [finding.after, str(finding.verdict)] for name, finding in found.items()}


def _cell(runs: Sequence[dict[str, Any]], attack: str) -> str:
    results = [Result(*run[attack]) for run in runs]
    told = [result for result in results if result.verdict != "not applicable" and not math.isnan(result.after)]
    if not told:
        return "–"
    area = bootstrap(torch.tensor([100 * result.after for result in told]), seed=SEED)
    leaked = sum(result.verdict == "leaked" for result in told)
    spread = "" if math.isnan(area.low) else f" [{area.low:.0f}, {area.high:.0f}]"
    return f"{area.mean:.0f}{spread}, {leaked} of {len(told)}"
