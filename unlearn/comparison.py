"""Every method on the same concepts, side by side: what it forgets, what it keeps, and what that costs."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from unlearn.erasers import cliperase, methods
from unlearn.evaluation.zero_shot import evaluate_zero_shot
from unlearn.finetuning.prepared import Preparation
from unlearn.jobs import relayed


@dataclass(frozen=True)
class Outcome:
    """One method: top-1 on pictures of the erased concepts and on all others, seconds to fit, numbers changed."""

    label: str
    variant: str
    forget: float
    retain: float
    seconds: float
    parameters: int

    @property
    def duration(self) -> str:
        """``seconds`` for people: “0.4 ms”, “79 ms”, “12 s”."""
        if self.seconds >= 1:
            return f"{self.seconds:.0f} s"
        return f"{1000 * self.seconds:.0f} ms" if self.seconds >= 0.01 else f"{1000 * self.seconds:.1f} ms"


@dataclass(frozen=True)
class Comparing:
    """Progress: the method at work, and how much of it is done."""

    label: str
    done: int
    total: int


def compare(task: methods.Task, names: Sequence[str]) -> Generator[Comparing, None, tuple[Outcome, ...]]:
    """Fit each of the methods ``names`` on ``task`` and measure it on ``task.probe``, every label offered.

    Raises:
        PictureError, ModelError: a method cannot be fitted.
    """
    outcomes = []
    for name in names:
        method = methods.METHODS[name]
        yield Comparing(method.label, 0, 1)
        started = time.perf_counter()
        erasure = yield from relayed(methods.fit(name, task), lambda step, label=method.label: _comparing(label, step))  # type: ignore[misc]
        seconds = time.perf_counter() - started
        edited = erasure.apply(task.encoder)
        report = evaluate_zero_shot(
            edited, task.probe, forget=task.selection.forget_names, classnames=task.vocabulary.names
        )
        state = task.encoder.model.state_dict()
        changed = erasure.changed_weights(task.encoder).items()
        parameters = sum(int((tensor != state[key].cpu().float()).sum()) for key, tensor in changed)
        accuracy = report.forget.top1, report.retain.top1
        outcomes.append(Outcome(method.label, method.variant, *accuracy, seconds, parameters))
    return tuple(outcomes)


def _comparing(label: str, step: cliperase.Progress) -> Comparing:
    if isinstance(step, Preparation):
        return Comparing(label, step.done, step.total)
    return Comparing(label, step.step, step.steps)
