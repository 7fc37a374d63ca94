"""Background runs: one worker for the one accelerator, a short queue, and every job the property of a session.

A job is a generator: what it yields is progress, what it returns is the result. It is driven by a single thread and
watched from any number; it outlives the page that started it and is found again by its session.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from unlearn.errors import JobError, UnlearnError, exhausted

P = TypeVar("P")
Q = TypeVar("Q")
R = TypeVar("R")

logger = logging.getLogger(__name__)


class State(StrEnum):
    """What may be said of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


def drive(run: Generator[P, None, R], watch: Callable[[P], object] = lambda progress: None) -> R:
    """Take a job to its end here and now: ``watch`` sees all that it yields, what it returns is returned."""
    while True:
        try:
            progress = next(run)
        except StopIteration as stop:
            result: R = stop.value
            return result
        watch(progress)


def relayed(run: Generator[P, None, R], change: Callable[[P], Q]) -> Generator[Q, None, R]:
    """The same job, its progress told in other words."""
    try:
        while True:
            yield change(next(run))
    except StopIteration as stop:
        result: R = stop.value
        return result
    finally:
        run.close()


ENDED = frozenset({State.DONE, State.CANCELLED, State.FAILED})


@dataclass(frozen=True)
class Status(Generic[P, R]):
    """A job as it is at one moment.

    Attributes:
        state: waiting, running, or how it ended.
        place: jobs that run or wait before it; 0 once it runs.
        progress: all that it has reported, oldest first.
        result: what it came to, when done.
        message: why it failed, as a sentence for the visitor.
    """

    state: State
    place: int = 0
    progress: tuple[P, ...] = ()
    result: R | None = None
    message: str = ""

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(eq=False)
class _Job(Generic[P, R]):
    session: str
    start: Callable[[], Generator[P, None, R]]
    #: The asker's, in which ZeroGPU finds whose seconds are counted.
    context: Context = field(default_factory=copy_context)
    state: State = State.WAITING
    progress: list[P] = field(default_factory=list)
    result: R | None = None
    message: str = ""
    cancelled: bool = False


class Jobs(Generic[P, R]):
    """Runs the jobs of all sessions, one after the other; a session has one job at a time."""

    def __init__(self, queue_size: int = 8) -> None:
        self._queue_size = queue_size
        self._waiting: deque[_Job[P, R]] = deque()
        self._running: _Job[P, R] | None = None
        self._of_session: dict[str, _Job[P, R]] = {}
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None
        self._closed = False

    def start(self, session: str, job: Callable[[], Generator[P, None, R]]) -> Status[P, R]:
        """Put a job in line. What the session's last one came to is dropped.

        Raises:
            JobError: the session's last job has not ended, or the line is full.
        """
        with self._changed:
            last = self._of_session.get(session)
            if last is not None and last.state not in ENDED:
                raise JobError(f"Your last run is still {last.state}; stop it, or wait for its end, to start another.")
            if len(self._waiting) >= self._queue_size:
                raise JobError(f"{len(self._waiting)} runs are waiting already; try again in a few minutes.")
            new = _Job(session, job)
            self._of_session[session] = new
            self._waiting.append(new)
            if self._worker is None:
                self._start_worker()
            self._changed.notify_all()
            return self._status(new)

    def find(self, session: str) -> Status[P, R] | None:
        """The session's job, or None if it has none."""
        with self._changed:
            job = self._of_session.get(session)
            return self._status(job) if job else None

    def watch(self, session: str) -> Iterator[Status[P, R]]:
        """The session's job now and after every change, until it has ended; changes between two looks are one."""
        with self._changed:
            job = self._of_session.get(session)
        last: Status[P, R] | None = None
        while job is not None and not (last and last.ended):
            last = self._next_status(job, last)
            yield last

    def cancel(self, session: str) -> Status[P, R] | None:
        """End the session's job: at once if it waits, within a step if it runs. Nothing happens if it has ended."""
        with self._changed:
            job = self._of_session.get(session)
            if job is None:
                return None
            job.cancelled = True
            if job.state is State.WAITING:
                self._waiting.remove(job)
                job.state = State.CANCELLED
            self._changed.notify_all()
            return self._status(job)

    def forget(self, session: str) -> None:
        """Cancel the session's job and let go of all that it made."""
        with self._changed:
            self.cancel(session)
            self._of_session.pop(session, None)

    def is_busy(self, session: str) -> bool:
        """Whether the session's job waits or runs."""
        status = self.find(session)
        return status is not None and not status.ended

    def close(self) -> None:
        """End everything and wait for the worker."""
        with self._changed:
            self._closed = True
            for session in list(self._of_session):
                self.cancel(session)
            self._changed.notify_all()
        if self._worker is not None:
            self._worker.join()

    def _next_status(self, job: _Job[P, R], last: Status[P, R] | None) -> Status[P, R]:
        with self._changed:
            self._changed.wait_for(lambda: self._status(job) != last)
            return self._status(job)

    def _status(self, job: _Job[P, R]) -> Status[P, R]:
        place = 0
        if job.state is State.WAITING:
            place = self._waiting.index(job) + (self._running is not None)
        return Status(job.state, place, tuple(job.progress), job.result, job.message)

    def _start_worker(self) -> None:
        self._worker = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._worker.start()

    def _work(self) -> None:
        try:
            self._drive_all()
        finally:
            with self._changed:
                if not self._closed:
                    # Whatever ended this thread, nobody waits for it in vain, and the line goes on.
                    if self._running is not None:
                        self._running.state = State.FAILED
                        self._running.message = "The run was ended from outside; nothing was changed. Start it again."
                        self._running = None
                    self._start_worker()
                self._changed.notify_all()

    def _drive_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job = self._running = self._waiting.popleft()
                job.state = State.RUNNING
                self._changed.notify_all()
            state, result, message = self._drive(job)
            with self._changed:
                job.state, job.result, job.message = state, result, message
                self._running = None
                self._changed.notify_all()
            del job, result  # while the worker waits, a session's end must free its weights

    def _drive(self, job: _Job[P, R]) -> tuple[State, R | None, str]:
        """Run ``job`` to its end, whatever that is: nothing that it raises gets past here."""
        try:
            run = job.context.run(job.start)
            try:
                while not job.cancelled:
                    progress = job.context.run(next, run)
                    with self._changed:
                        job.progress.append(progress)
                        self._changed.notify_all()
            except StopIteration as stop:
                return (State.CANCELLED, None, "") if job.cancelled else (State.DONE, stop.value, "")
            finally:
                job.context.run(run.close)
        except UnlearnError as error:
            return State.FAILED, None, str(error)
        except Exception as error:
            logger.exception("A job failed")
            ours = "The run ended in an error of ours, which was logged; nothing was changed."
            return State.FAILED, None, exhausted(error) or ours
        return State.CANCELLED, None, ""
