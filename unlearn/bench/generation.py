"""Effect of erasing on drawings: each concept alone, by every way that reaches a diffusion model, judged and compared.

The images before and after an edit come from the same seeds and batches, so a prompt that the edit leaves alone gives
the same pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from unlearn.bench.measurements import Measurements
from unlearn.bench.table import Table, machine
from unlearn.caching import Cache
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.loading import load_clip
from unlearn.concepts.prompts import prompts
from unlearn.concepts.selection import Selection, Vocabulary, load_vocabulary, select
from unlearn.data.gallery import bundled_gallery, restore_features
from unlearn.diffusion.apply_edits import apply_to_pipeline
from unlearn.diffusion.drawing import paint
from unlearn.diffusion.pipelines import LoadedPipeline, load_pipeline
from unlearn.diffusion.rates import BATCH, Case, cases_of, two_thing_cases
from unlearn.erasers import ccup, cliperase
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import CCUPSettings, CLIPEraseSettings
from unlearn.evaluation.judge import load_judge
from unlearn.evaluation.neighbours import nearest_neighbours
from unlearn.progress import run_to_end

CONCEPTS, SEEDS = 20, 8
QUICK_CONCEPTS, QUICK_SEEDS = 1, 2
#: Sentences around a concept's plural and synonyms; no method is fitted to them.
OTHER_WORDS = ("my {}", "a small {} in the rain", "{} and nothing else")
#: The rows: how CCUP is carried, and which weights CLIPErase trains; None leaves that method out.
ROWS: Mapping[str, tuple[str | None, str | None]] = {
    "CCUP behind a gate (default)": ("gated", None),
    "CCUP for all prompts": ("ridge", None),
    "CCUP, paired, pulled back": ("pull_back", None),
    "CLIPErase, text tower (default)": (None, "text"),
    "CLIPErase, last blocks": (None, "last_blocks"),
    "CLIPErase, text tower, and CCUP behind a gate": ("gated", "text"),
}


@dataclass(eq=False)
class Subject:
    """One erased concept, its prompts by group, and what was drawn from them before any edit."""

    loaded: LoadedPipeline
    encoder: OpenClipEncoder
    concept: str
    seeds: int
    vocabulary: Vocabulary = field(default_factory=load_vocabulary)
    _tuned: Cache[OpenClipEncoder] = field(default_factory=lambda: Cache(most=2))

    @cached_property
    def selection(self) -> Selection:
        return select(self.concept, vocabulary=self.vocabulary)

    @cached_property
    def cases(self) -> dict[str, list[Case]]:
        """The prompts by group, ``seeds`` of each."""
        drawn, concept = self.loaded.known.draws, self.concept
        known = Vocabulary(tuple(entry for entry in self.vocabulary.concepts if entry.name in drawn))
        near = [neighbour.name for neighbour in nearest_neighbours(self.encoder, [concept], known, self.seeds)]
        others = [name for name in drawn if name != concept]
        far = [name for name in others if name not in near]
        start = drawn.index(concept)
        forms = self.selection.forget[0].synonyms or (concept,)
        wordings = [prompts(form, (template,))[0] for template, form in product(OTHER_WORDS, forms)]
        return {
            "erased": cases_of([concept], self.seeds),
            "others": cases_of([far[(start + 5 * i) % len(far)] for i in range(self.seeds)], self.seeds),
            "neighbours": cases_of(near, self.seeds),
            "two": two_thing_cases(concept, far, self.seeds),
            "words": [Case(wordings[i % len(wordings)], concept, i) for i in range(self.seeds)],
        }

    @cached_property
    def before(self) -> dict[str, list[Image.Image]]:
        return self.drawn(self.loaded)

    def drawn(self, pipeline: LoadedPipeline) -> dict[str, list[Image.Image]]:
        """Draw all prompts with ``pipeline``, one after the other in batches of fixed composition."""
        known, images = pipeline.known, dict[str, list[Image.Image]]()
        for group, cases in self.cases.items():
            images[group] = []
            for start in range(0, len(cases), BATCH):
                batch = cases[start : start + BATCH]
                asked: Any = [case.prompt for case in batch], [case.seed for case in batch]
                run = paint(pipeline, pipeline, *asked, steps=known.steps, guidance=known.guidance)
                images[group] += run_to_end(run)[1]
        return images

    def tuned(self, trainable: str) -> OpenClipEncoder:
        """Return the model that CLIPErase makes; it is trained once."""
        return self._tuned.get(trainable, lambda: self._train(trainable))

    def _train(self, trainable: str) -> OpenClipEncoder:
        gallery = bundled_gallery()
        settings = CLIPEraseSettings.of(trainable, eval_every=1000)
        asked: Any = {"galleries": [gallery.train], "probe": gallery.test, "vocabulary": self.vocabulary}
        return run_to_end(cliperase.train(self.encoder, self.selection, settings, **asked)).fine_tuned(self.encoder)

    def closed_form(self) -> Erasure[CCUPSettings]:
        return ccup.erase(self.encoder, self.selection, vocabulary=self.vocabulary)

    def edited(self, carry_method: str | None, trainable: str | None) -> LoadedPipeline:
        """Return the pipeline with the edits of one of :data:`ROWS`."""
        asked: Any = {"vocabulary": self.vocabulary}
        if carry_method:
            asked |= {"closed_form": self.closed_form(), "carry_method": carry_method}
        if trainable:
            asked["tuned"] = self.tuned(trainable)
        return apply_to_pipeline(self.loaded, self.encoder, **asked).loaded

    def measure(self, row: str) -> dict[str, Any]:
        """Return by group where the judge sees each case's concept, before and after, and the change in grey levels."""
        after, judge = self.drawn(self.edited(*ROWS[row])), load_judge()
        found = {}
        for group, cases in self.cases.items():
            sides = (self.before[group], after[group])
            seen = [
                [case.concept in labels for case, labels in zip(cases, judge.first_labels(side), strict=True)]
                for side in sides
            ]
            found[group] = {"before": seen[0], "after": seen[1], "change": [*map(grey_levels, *sides)]}
        return found


def grey_levels(before: Image.Image, after: Image.Image) -> float:
    """Return the mean absolute difference of two images of one size, over pixels and channels, from 0 to 255."""
    one, other = (np.asarray(image, dtype=float) for image in (before, after))
    return float(np.abs(one - other).mean())


def run(quick: bool = False, *, resume: Path | None = None) -> Table:
    """Erase concepts that the embedded pipeline draws, one at a time; with ``resume``, what that file has is kept."""
    loaded, encoder, measurements = load_pipeline("pocket"), load_clip("pocket"), Measurements(resume)
    restore_features(encoder)
    count, seeds = (QUICK_CONCEPTS, QUICK_SEEDS) if quick else (CONCEPTS, SEEDS)
    erased = loaded.known.draws[:: len(loaded.known.draws) // count][:count]
    found: dict[str, list[dict[str, Any]]] = {row: [] for row in ROWS}
    with tqdm(total=len(ROWS) * count, desc="generation", unit="erasure") as bar:
        for concept in erased:
            subject = Subject(loaded, encoder, concept, seeds)
            for row in ROWS:
                name = f"generation {row} {concept} {seeds}"
                found[row].append(measurements.get(name, partial(subject.measure, row)))
                bar.update()
    known = loaded.known
    return Table(
        name="generation",
        columns=(
            "edit",
            "erased, seen, %",
            "other wordings, seen, %",
            "others, seen, %",
            "neighbours, seen, %",
            "the other of two, seen, %",
            "others, change, grey levels",
            "others, identical, %",
            "neighbours, change, grey levels",
            "neighbours, identical, %",
        ),
        rows=tuple((row, *_cells(runs)) for row, runs in found.items()),
        note=f"Seen: share of pictures, before → after, in which the judge has the concept among its first five of "
        f"{len(load_judge().labels)}. {count} concepts, each erased alone; for each {seeds} pictures of every column: "
        f"of the concept by its name, by its plural and synonyms in other sentences, of unrelated concepts, of its "
        f"nearest neighbours, and of it beside another, seeds from 0, {known.steps} steps, guidance "
        f"{known.guidance:g}. Change: mean absolute difference of the pixels, of 255; identical: in every pixel. "
        f"CLIPErase with its defaults for what trains, seed 0. {machine()}.",
    )


def _cells(runs: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    def values(group: str, what: str) -> list[float]:
        return [float(value) for found in runs for value in found[group][what]]

    def seen(group: str) -> str:
        return " → ".join(f"{100 * fmean(values(group, side)):.0f}" for side in ("before", "after"))

    def changed(group: str) -> tuple[str, str]:
        change = values(group, "change")
        return f"{fmean(change):.1f} (most {max(change):.0f})", f"{100 * fmean(value == 0 for value in change):.0f}"

    seen_columns = (seen(group) for group in ("erased", "words", "others", "neighbours", "two"))
    return (*seen_columns, *changed("others"), *changed("neighbours"))
