"""Detection rates of a concept in images before and after an edit, over many prompts."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import islice

from unlearn.concepts.prompts import prompts
from unlearn.diffusion.drawing import paint
from unlearn.diffusion.pipelines import LoadedPipeline
from unlearn.evaluation.judge import Judge
from unlearn.progress import Progress, map_progress, steps_text

#: Prompt templates; a measurement uses all of them.
WORDINGS = ("a {}", "a drawing of a {}", "a {} on a blue background", "a {} on a yellow background", "the {}")
TWO = ("a {} and a {}", "a {} next to a {}", "a {} and a {} on a green background")
#: Number of prompts per batch, each drawn before and after: more are no faster on a CPU and need more memory on a GPU.
BATCH = 8


@dataclass(frozen=True)
class Case:
    """A prompt, a seed, and the concept to detect in the image."""

    prompt: str
    concept: str
    seed: int


#: True where the judge sees a case's concept, before and after the edit.
Detected = tuple[bool, bool]


@dataclass(frozen=True)
class DetectionRate:
    """The fraction of ``n`` images in which the judge sees the concept, before and after the edit."""

    before: float
    after: float
    n: int

    @classmethod
    def of(cls, verdicts: Sequence[Detected]) -> DetectionRate:
        n = len(verdicts)
        before, after = (sum(side) / n for side in zip(*verdicts, strict=True)) if n else (math.nan, math.nan)
        return cls(before, after, n)


def cases_of(concepts: Sequence[str], count: int, seed: int = 0) -> list[Case]:
    """Return ``count`` cases for the concepts in turn, with random templates and image seeds counting from ``seed``."""
    rng = random.Random(seed)  # noqa: S311  a fixed choice, not a secret
    asked = [concepts[i % len(concepts)] for i in range(count)]
    return [Case(rng.choice(prompts(concept, WORDINGS)), concept, seed + i) for i, concept in enumerate(asked)]


def two_thing_cases(concept: str, others: Sequence[str], count: int, seed: int = 0) -> list[Case]:
    """Return ``count`` cases of ``concept`` beside one of ``others``; the other is to be detected and retained."""
    rng = random.Random(seed)  # noqa: S311
    cases = []
    for i in range(count):
        other = rng.choice(list(others))
        pair = [concept, other] if rng.random() < 0.5 else [other, concept]
        first, second = (prompts(name, ("a {}",))[0].removeprefix("a ") for name in pair)
        sentence = rng.choice(TWO).format(first, second).replace("a an ", "an ")
        cases.append(Case(sentence, other, seed + i))
    return cases


def _among(complete: int, batches: int) -> Callable[[Progress], Progress]:
    """Return a function that converts a batch's progress to the progress of all ``batches``."""

    def among(step: Progress) -> Progress:
        done, total = complete * step.total + step.done, batches * step.total
        return Progress(done, total, steps_text(done, total))

    return among


def detect(
    original: LoadedPipeline,
    edited: LoadedPipeline,
    groups: Sequence[Sequence[Case]],
    judge: Judge,
    *,
    steps: int,
    guidance: float,
) -> Generator[Progress, None, list[list[Detected]]]:
    """Draw the cases of all groups before and after the edit and judge the images; returns detections by group."""
    cases = [case for group in groups for case in group]
    verdicts: list[Detected] = []
    batches = [cases[start : start + BATCH] for start in range(0, len(cases), BATCH)]
    for done, batch in enumerate(batches):
        run = paint(
            original, edited, [c.prompt for c in batch], [c.seed for c in batch], steps=steps, guidance=guidance
        )
        sides = yield from map_progress(run, _among(done, len(batches)))
        before, after = (
            [case.concept in seen for case, seen in zip(batch, judge.first_labels(images), strict=True)]
            for images in sides
        )
        verdicts += zip(before, after, strict=True)
    rest = iter(verdicts)
    return [list(islice(rest, len(group))) for group in groups]
