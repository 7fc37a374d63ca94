"""Comparison of every method on the same concepts: forgetting, retention, and cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.erasers import methods
from unlearn.errors import ModelError, UnlearnError
from unlearn.evaluation.zero_shot import evaluate_zero_shot
from unlearn.progress import Progress, map_progress

if TYPE_CHECKING:
    from unlearn.erasers.erasure import AnyErasure


@dataclass(frozen=True)
class Outcome:
    """Result of one method: top-1 on images of erased concepts and on all others, seconds to fit, changed parameters.

    Attributes:
        parameters: number of changed parameters; None if the weights that the edit would change are not available.
        refusal: why the method could not be fitted; nothing was measured then.
    """

    label: str
    variant: str
    forget: float = math.nan
    retain: float = math.nan
    seconds: float = math.nan
    parameters: int | None = None
    refusal: str = ""

    @property
    def is_measured(self) -> bool:
        """Return True if both accuracies are known: not after a refusal, nor if no image shows an erased concept."""
        return not math.isnan(self.forget + self.retain)

    @property
    def changed(self) -> str:
        """``parameters`` formatted for display."""
        return "–" if self.parameters is None else f"{self.parameters:,}"

    @property
    def duration(self) -> str:
        """``seconds`` formatted for display: “0.4 ms”, “79 ms”, “12 s”."""
        if self.seconds >= 1:
            return f"{self.seconds:.0f} s"
        return f"{1000 * self.seconds:.0f} ms" if self.seconds >= 0.01 else f"{1000 * self.seconds:.1f} ms"


@dataclass(frozen=True)
class ComparisonProgress(Progress):
    """Progress of a comparison, with the outcomes so far."""

    outcomes: tuple[Outcome, ...] = ()


#: Costs of encoding the images and of a method that trains, where another method costs 1.
ENCODING, TRAINING = 5.0, 20.0


def compare(task: methods.Task, names: Sequence[str]) -> Generator[ComparisonProgress, None, tuple[Outcome, ...]]:
    """Fit each of ``names``, of :data:`~unlearn.erasers.methods.COMPARED`, and measure it on ``task.probe``.

    Every label is offered. A method that cannot be fitted, because images or time are missing, does not stop the
    comparison of the others.
    """
    outcomes = list[Outcome]()
    chosen = [methods.COMPARED[name] for name in names]
    whole = ENCODING + sum(TRAINING if method.trains else 1 for method in chosen)

    def during(text: str, spent: float, cost: float) -> Callable[[Progress], ComparisonProgress]:
        def shown(part: Progress) -> ComparisonProgress:
            fraction = (spent + cost * min(1.0, part.fraction)) / whole
            return ComparisonProgress(len(outcomes), len(chosen), f"{text}…", whole=fraction, outcomes=tuple(outcomes))

        return shown

    yield from map_progress(_encode(task), during("Looking at pictures", 0.0, ENCODING))
    spent = ENCODING
    for method in chosen:
        cost = TRAINING if method.trains else 1.0
        fitting, started = during(method.label, spent, cost), time.perf_counter()
        spent += cost
        try:
            yield fitting(Progress())
            erasure = yield from map_progress(method.fit(task), fitting)
            outcomes.append(_measured(method, erasure, task, time.perf_counter() - started))
        except UnlearnError as error:
            outcomes.append(Outcome(method.label, method.variant, refusal=str(error)))
    return tuple(outcomes)


def _encode(task: methods.Task) -> Generator[Progress, None, None]:
    """Encode the images that methods learn from and are measured on, a few at a time, so that a run can be stopped."""
    galleries = [gallery for gallery in (task.probe, task.training) if len(gallery)]
    total, before = sum(map(len, galleries)), 0
    for gallery in galleries:
        if not task.encoder.has_image_features(gallery):
            yield from map_progress(
                task.encoder.prepare_image_features(gallery),
                lambda done, before=before: Progress(before + done, total),  # type: ignore[misc]
            )
        before += len(gallery)


def _measured(method: methods.Method, erasure: AnyErasure, task: methods.Task, seconds: float) -> Outcome:
    report = evaluate_zero_shot(
        erasure.apply(task.encoder),
        task.probe,
        forget=task.selection.forget_names,
        vocabulary=task.vocabulary,
    )
    accuracy = report.forget.top1, report.retain.top1
    return Outcome(method.label, method.variant, *accuracy, seconds, _numbers_changed(erasure, task.encoder))


def _numbers_changed(erasure: AnyErasure, encoder: OpenClipEncoder) -> int | None:
    try:
        changed = erasure.changed_weights(encoder).items()
    except ModelError:  # a tower without a final linear projection: the edit is live only
        return None
    state = encoder.model.state_dict()
    return sum(int((tensor != state[key].cpu().float()).sum()) for key, tensor in changed)
