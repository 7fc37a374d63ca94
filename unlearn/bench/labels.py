"""CCUP's forms with few labels offered or few words retained, as in lists that people bring."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

import torch
from torch import Tensor
from tqdm import tqdm

from unlearn.bench.methods import Bench
from unlearn.bench.sets import forget_sets, known_concepts
from unlearn.bench.table import Table, machine, threads
from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.selection import Vocabulary, select
from unlearn.erasers import ccup
from unlearn.erasers.methods import COMPARED
from unlearn.erasers.settings import CCUPSettings
from unlearn.evaluation.neighbours import nearest_neighbours
from unlearn.evaluation.zero_shot import true_label_ranks
from unlearn.finetuning.sources import BUNDLED

#: Labels offered; names retained while the whole vocabulary is offered; draws of each.
LABELS, RETAINED, DRAWS = (2, 3, 4, 5, 6, 7, 8), (1, 3, 10), 20
SEED = 2000
#: Label of each form.
FORMS = {method.fixed["form"]: method.label for method in COMPARED.values() if "form" in method.fixed}
#: A list as people write it: a synonym of the erased concept, and related concepts.
WRITTEN = ("apple", "apple fruit", "pear", "banana")


def run(quick: bool = False) -> Table:
    """Erase the first concept of every set with every form."""
    bench = Bench.load("pocket", BUNDLED)
    sets = _sets(bench, 2 if quick else DRAWS)
    rows = []
    with tqdm(total=len(FORMS) * sum(map(len, sets.values())), desc="labels", unit="erasure") as bar:
        for name, chosen in sets.items():
            labels = len(chosen[0]) if name.endswith("offered") else len(bench.data.vocabulary.names)
            cells = [name, f"{100 / labels:.0f}"]
            for form in FORMS:
                cells += _cells(bench, form, chosen, labels)
                bar.update(len(chosen))
            rows.append(tuple(cells))
    return Table(
        name="labels",
        columns=(
            "of one concept",
            "chance, %",
            *(
                f"{label}: {what}"
                for label in FORMS.values()
                for what in ("left, %", "others, points", "sets above chance")
            ),
        ),
        rows=tuple(rows),
        note=(
            "Left: top-1 on the pictures of the concept that is erased. Others: change of top-1 on those of all other "
            "labels offered. Above chance: sets of which more pictures are left than guessing would name. "
            f"{DRAWS} sets a row (the last: one), drawn with seeds {SEED}, {2 * SEED} and {3 * SEED} from the concepts "
            "that the model knows. In the first rows the labels are all that is offered, and all but the erased is "
            "retained; in the others the bundled vocabulary is offered, and a list retained, drawn or nearest to the "
            f"erased. {bench.encoder.name}, {len(bench.data.test) + len(bench.data.train)} pictures, which CCUP does "
            f"not see. {machine()}, {threads()}."
        ),
    )


def _sets(bench: Bench, draws: int) -> dict[str, Sequence[Sequence[str]]]:
    """Return by row name the sets of an erased concept and of what is offered or retained beside it."""
    known, words = known_concepts(bench.encoder, bench.data), bench.data.vocabulary
    sets: dict[str, Sequence[Sequence[str]]] = {
        f"{size} labels offered": forget_sets(known, size, draws, SEED) for size in LABELS
    }
    for size in RETAINED:
        names = "1 name" if size == 1 else f"{size} names"
        sets[f"{names} retained, drawn"] = forget_sets(known, size + 1, draws, 2 * SEED)
        sets[f"{names} retained, nearest"] = [
            (name, *(near.name for near in nearest_neighbours(bench.encoder, [name], words, size)))
            for (name,) in forget_sets(known, 1, draws, 3 * SEED)
        ]
    first, *others = WRITTEN
    return sets | {f"{', '.join(others)} retained, {first} erased": [WRITTEN]}


def _cells(bench: Bench, form: str, sets: Sequence[Sequence[str]], labels: int) -> tuple[str, str, str]:
    """Return the cells of accuracy left, change of the others, and number of ``sets`` that stay above chance."""
    whole = bench.data.vocabulary
    measured = [
        _erase(bench, form, first, None, Vocabulary.of((first, *others)))
        if labels < len(whole.names)
        else _erase(bench, form, first, others, whole)
        for first, *others in sets
    ]
    left = torch.cat([own for own, _ in measured])
    above = sum(float(own.sum()) > math.ceil(len(own) / labels) for own, _ in measured)
    return (
        f"{100 * float(left.mean()):.0f}",
        f"{100 * fmean(change for _, change in measured):+.1f}",
        f"{above} of {len(sets)}",
    )


def _erase(
    bench: Bench, form: str, forget: str, retain: Sequence[str] | None, vocabulary: Vocabulary
) -> tuple[Tensor, float]:
    """Return which images of ``forget`` are still recognised, (n,), and the change of top-1 on the other labels."""
    selection = select(forget, retain, vocabulary=vocabulary)
    erasure = ccup.erase(bench.encoder, selection, CCUPSettings(form=form), vocabulary=vocabulary)
    own = vocabulary.names.index(forget)
    targets, before = _first(bench, bench.encoder, vocabulary)
    _, after = _first(bench, erasure.apply(bench.encoder), vocabulary)
    others = targets != own
    return after[~others], float(after[others].mean() - before[others].mean())


def _first(bench: Bench, model: TextImageEncoder, vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    """Return for all images of ``vocabulary`` which label is their own, and whether it comes first, (n,) each."""
    galleries = (bench.data.test, bench.data.train)
    targets = torch.cat([gallery.targets(vocabulary.names) for gallery in galleries])
    shown = targets >= 0
    images = torch.cat([model.image_features(gallery) for gallery in galleries])[shown]
    classes = model.text_features(vocabulary.names, vocabulary.templates)
    return targets[shown], (true_label_ranks(images, classes, targets[shown]) < 1).float()
