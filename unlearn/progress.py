"""Runs as generators that yield their progress and return a result, and what is known of a run while it lasts."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Generic, TypeVar

P = TypeVar("P")
Q = TypeVar("Q")
R = TypeVar("R")
AnyProgress = TypeVar("AnyProgress", bound="Progress")


@dataclass(frozen=True)
class Progress:
    """Progress of a run: ``done`` of a total, and its current step as a sentence for the visitor.

    ``done`` and ``total`` may count one part of the run only; ``whole`` is then the fraction of the whole run.
    """

    done: int = 0
    total: int = 1
    text: str = ""
    whole: float | None = field(default=None, kw_only=True)

    @property
    def fraction(self) -> float:
        """Fraction of the whole run that is done."""
        return self.done / max(1, self.total) if self.whole is None else self.whole

    @property
    def short(self) -> str:
        """The current step in a few words, beside a progress bar that counts."""
        return self.text


def within(start: float, end: float) -> Callable[[AnyProgress], AnyProgress]:
    """Return a function for :func:`map_progress`, for the part of a run from ``start`` to ``end`` of the whole."""
    return lambda part: replace(part, whole=start + (end - start) * min(1.0, part.fraction))


def steps_text(done: int, total: int) -> str:
    """Return the text of a run that has completed ``done`` of ``total`` steps."""
    return f"Step {done} of {total}."


def run_to_end(run: Generator[P, None, R], watch: Callable[[P], object] | None = None) -> R:
    """Run a job to its end in this thread and return its result; ``watch`` is called with every yielded value."""
    while True:
        try:
            progress = next(run)
        except StopIteration as stop:
            result: R = stop.value
            return result
        if watch:
            watch(progress)


def map_progress(run: Generator[P, None, R], change: Callable[[P], Q]) -> Generator[Q, None, R]:
    """Return the same job with every yielded value passed through ``change``; errors thrown into it reach the job."""
    try:
        progress = next(run)
        while True:
            try:
                yield change(progress)
            except Exception as error:
                progress = run.throw(error)
            else:
                progress = next(run)
    except StopIteration as stop:
        result: R = stop.value
        return result
    finally:
        run.close()


class State(StrEnum):
    """State of a run."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


ENDED = frozenset({State.DONE, State.CANCELLED, State.FAILED})


@dataclass(frozen=True)
class Status(Generic[P, R]):
    """A snapshot of a run in the queue of :mod:`unlearn.jobs`.

    Attributes:
        state: waiting, running, or how it ended.
        queue_position: number of runs before it in the queue; 0 when it runs.
        progress: its reports, oldest first; thinned out if there are many.
        result: the returned value, when done.
        message: reason of a failure, as a sentence for the visitor.
        reports: number of reports so far; it distinguishes two snapshots.
        wait: estimated seconds until it starts; None if there is no estimate or it no longer waits.
        fraction: fraction of the whole run that is done; it never falls, and is 1 only when it is done.
        seconds_left: estimated seconds until it ends, as of its last report; None if there is no estimate.
        stopping: whether it was cancelled and has not ended yet.
    """

    state: State
    queue_position: int = 0
    progress: tuple[P, ...] = field(default=(), compare=False)
    result: R | None = None
    message: str = ""
    reports: int = 0
    wait: int | None = None
    fraction: float = 0.0
    seconds_left: int | None = None
    stopping: bool = False

    @property
    def ended(self) -> bool:
        return self.state in ENDED
