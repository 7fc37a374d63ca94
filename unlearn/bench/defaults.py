"""Choice of the default's constants: each is changed alone, on sets of concepts that no other table reports on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tqdm import tqdm

from unlearn.bench.methods import ACCURACY, Bench, cells, hurt
from unlearn.bench.sets import forget_sets, known_concepts
from unlearn.bench.table import Table, machine, threads
from unlearn.erasers import ccup
from unlearn.erasers.methods import Method, Task
from unlearn.erasers.paired import CHOSEN, Constants
from unlearn.erasers.settings import CCUPSettings
from unlearn.erasers.variants import CCUP
from unlearn.finetuning.sources import BUNDLED

#: Concepts erased at once, and number of sets; their seed is far from the other benchmarks' seeds.
PLAN = {1: 20, 5: 5, 20: 4, 100: 2}
SEED = 1000

#: Label of each choice, its constants, and its settings.
CHOICES: tuple[tuple[str, Constants, dict[str, Any]], ...] = (
    ("the default", CHOSEN, {}),
    *((f"ρ = {noise:g}", replace(CHOSEN, noise=noise), {}) for noise in (0.1, 0.3, 3.0)),
    *((f"η = {overlap:g}", replace(CHOSEN, overlap=overlap), {}) for overlap in (0.02, 0.1, 0.5)),
    *((f"s = {s:g} always", replace(CHOSEN, least=s, most=s), {}) for s in (0.9, 1.1, 1.3, 1.6)),
    *((f"budget {b:g}", replace(CHOSEN, budget=b), {}) for b in (0.006, 0.026)),
    *((f"λ = {lam:g}", CHOSEN, {"lam": lam}) for lam in (10.0, 100.0, 10_000.0)),
    *((f"μ = {mu:g}", CHOSEN, {"mu": mu}) for mu in (1.0, 10.0, 1000.0)),
    ("names alone, no synonyms", CHOSEN, {"synonyms": False}),
    ("texts edited instead", CHOSEN, {"side": "text"}),
)


def run(quick: bool = False) -> Table:
    """Erase the same sets with every choice of constants."""
    bench = Bench.load("pocket", BUNDLED)
    known = known_concepts(bench.encoder, bench.data)
    plan = {1: 2, 5: 1} if quick else PLAN
    sets = {size: forget_sets(known, size, count, SEED) for size, count in plan.items()}
    choices = CHOICES[:2] if quick else CHOICES
    rows = []
    with tqdm(total=len(choices) * sum(plan.values()), desc="defaults", unit="erasure") as bar:
        for label, constants, settings in choices:
            found: dict[int, list[dict[str, Any]]] = {size: [] for size in sets}
            for size, chosen in sets.items():
                for forget in chosen:
                    found[size].append(bench.measure(_method(label, constants, settings), forget, 0))
                    bar.update()
            for size, runs in found.items():
                rows.append((label, str(size), *cells(runs), *(hurt(runs) if size == 1 else ("–", "–"))))
    return Table(
        name="defaults",
        columns=(
            "paired CCUP with",
            *ACCURACY,
            "neighbours hurt",
            "neighbours",
        ),
        rows=tuple(rows),
        note=(
            "As in the table of methods, on other sets: "
            f"{', '.join(f'{count} of {size}' for size, count in plan.items())} concepts, drawn with seed {SEED}. "
            f"{machine()}, {threads()}."
        ),
    )


def _method(label: str, constants: Constants, settings: dict[str, Any]) -> Method:
    def fit(task: Task) -> Any:
        yield from ()
        given = CCUPSettings(**settings)
        return ccup.erase(task.encoder, task.selection, given, vocabulary=task.vocabulary, constants=constants)

    return Method(label, CCUP, fit, settings=())
