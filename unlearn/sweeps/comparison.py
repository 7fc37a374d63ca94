"""Comparison of every method on the same concepts: forgetting, retention, and cost."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.erasers import methods
from unlearn.errors import ModelError, UnlearnError
from unlearn.evaluation.zero_shot import evaluate_zero_shot
from unlearn.jobs import Progress, map_progress

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


def compare(task: methods.Task, names: Sequence[str]) -> Generator[Progress, None, tuple[Outcome, ...]]:
    """Fit each of ``names``, of :data:`~unlearn.erasers.methods.COMPARED`, and measure it on ``task.probe``.

    Every label is offered. A method that cannot be fitted, because images or time are missing, does not stop the
    comparison of the others.
    """
    outcomes = []
    for name in names:
        method = methods.COMPARED[name]
        fitting, started = partial(_fitting, method.label), time.perf_counter()
        try:
            yield fitting(Progress())
            erasure = yield from map_progress(method.fit(task), fitting)
            outcomes.append(_measured(method, erasure, task, time.perf_counter() - started))
        except UnlearnError as error:
            outcomes.append(Outcome(method.label, method.variant, refusal=str(error)))
    return tuple(outcomes)


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


def _fitting(label: str, part: Progress) -> Progress:
    return Progress(part.done, part.total, f"{label}…")
