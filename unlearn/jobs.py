"""Background runs: one worker for the one accelerator, a short queue, and one job per key.

A job is a generator: it yields progress and returns the result. A single thread drives it and lives as long as there is
work; any number of threads can read its status. A job outlives the page that started it and is found by its key, which
belongs to a visitor. At the time limit, :class:`unlearn.errors.OutOfTimeError` is raised where the generator yields.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from unlearn.errors import JobError, OutOfTimeError, UnlearnError, lacking
from unlearn.logs import log_error
from unlearn.progress import ENDED, Progress, State, Status

P = TypeVar("P")
R = TypeVar("R")

OUR_ERROR = "An error in this app ended the run; nothing was changed. Try again, or try something else (error {})."
#: Maximum number of progress reports kept per job: as many as a chart can show.
MOST_KEPT = 500
#: Largest fraction shown of a job that has not ended.
MOST_SHOWN = 0.99
#: Number of finished runs per kind whose durations are kept.
TIMED = 20
#: Waiting times are estimates, rounded up to multiples of this many seconds, so that the status changes rarely.
WAIT_STEP = 10
#: The ``nice`` value of the worker's thread: page requests take precedence over runs.
NICENESS = 10


@dataclass(eq=False)
class _Job(Generic[P, R]):
    key: str
    start: Callable[[], Generator[P, None, R]]
    #: Context of the request: ZeroGPU reads from it whose quota is charged.
    context: Context = field(default_factory=copy_context)
    state: State = State.WAITING
    progress: list[P] = field(default_factory=list)
    result: R | None = None
    message: str = ""
    reports: int = 0
    cancelled: bool = False
    kind: str = ""
    payer: str = ""
    since: float = 0.0
    fraction: float = 0.0
    #: Fraction and time of the first report: what was skipped, as it is cached, says nothing about the rate.
    first: tuple[float, float] | None = None
    seconds_left: int | None = None

    def report(self, progress: P, usual: float | None = None) -> None:
        """Note ``progress``, and estimate the seconds left from its rate and the ``usual`` duration of such jobs."""
        now = time.monotonic()
        fraction = progress.fraction if isinstance(progress, Progress) else 0.0
        self.fraction = max(self.fraction, min(fraction, MOST_SHOWN))
        begun, at = self.first = self.first or (self.fraction, now)
        left = [] if usual is None else [max(0.0, usual - (now - self.since))]
        if self.fraction > begun:
            left.append((now - at) / (self.fraction - begun) * (1 - self.fraction))
        # At first the usual duration counts, at the end the job's own rate.
        if len(left) == 2:
            self.seconds_left = round((1 - self.fraction) * left[0] + self.fraction * left[1])
        elif left:
            self.seconds_left = round(left[0])
        self.reports += 1
        self.progress.append(progress)
        if len(self.progress) > MOST_KEPT:
            del self.progress[1:-1:2]  # keeps the first and the last

    def end(self, state: State, result: R | None = None, message: str = "") -> None:
        """Set the final state and drop the references to the job's inputs, such as models."""
        self.state, self.result, self.message = state, result, message
        del self.start, self.context


class Jobs(Generic[P, R]):
    """A queue that runs jobs one after the other, with one job per key and a few per address.

    Args:
        queue_size: maximum number of waiting jobs.
        minutes: time limit of a job.
        per_payer: maximum number of waiting and running jobs per address.
    """

    def __init__(self, queue_size: int = 8, minutes: float = 30, per_payer: int = 3) -> None:
        self._queue_size = queue_size
        self._minutes = minutes
        self._per_payer = per_payer
        self._seconds: dict[str, deque[float]] = {}
        self._waiting: deque[_Job[P, R]] = deque()
        self._running: _Job[P, R] | None = None
        self._by_key: dict[str, _Job[P, R]] = {}
        self._lock = threading.RLock()
        self._worker: threading.Thread | None = None

    def start(
        self, key: str, job: Callable[[], Generator[P, None, R]], *, kind: str = "", payer: str = ""
    ) -> Status[P, R]:
        """Queue a job and drop the result of the key's previous job.

        Args:
            key: identifies the job.
            job: creates the generator.
            kind: jobs of one kind take about the same time; used for estimates.
            payer: address of the request; jobs of "" are not counted.

        Raises:
            JobError: the key's previous job has not ended, the address has too many jobs, or the queue is full.
        """
        with self._lock:
            self.require_room(key, payer)
            new = _Job(key, job, kind=kind, payer=payer)
            self._by_key[key] = new
            self._waiting.append(new)
            if self._worker is None:
                self._start_worker()
            return self._status(new)

    def require_room(self, key: str, payer: str = "") -> None:
        """Raise unless a job of ``key`` could be queued now, so that none is prepared in vain.

        Raises:
            JobError: the key's previous job has not ended, the address has too many jobs, or the queue is full.
        """
        with self._lock:
            last = self._by_key.get(key)
            if last is not None and last.state not in ENDED:
                raise JobError(f"Your last run is still {last.state}; stop it, or wait for its end, to start another.")
            if payer and sum(job.payer == payer for job in self._unended()) >= self._per_payer:
                raise JobError(
                    f"{self._per_payer} runs of your address are waiting or running already, as many as it may have; "
                    "stop one, or wait for its end."
                )
            if len(self._waiting) >= self._queue_size:
                raise JobError(f"{len(self._waiting)} runs are waiting already; try again in a few minutes.")

    def find(self, key: str) -> Status[P, R] | None:
        """Return the status of the job of ``key``, or None if there is none."""
        with self._lock:
            job = self._by_key.get(key)
            return self._status(job) if job else None

    def cancel(self, key: str) -> Status[P, R] | None:
        """Cancel the job of ``key``: at once if it waits, within a step if it runs, without effect if it has ended."""
        with self._lock:
            job = self._by_key.get(key)
            if job is None:
                return None
            job.cancelled = True
            if job.state is State.WAITING:
                self._waiting.remove(job)
                job.end(State.CANCELLED)
            return self._status(job)

    def forget(self, key: str) -> None:
        """Cancel the job of ``key`` and drop its result."""
        with self._lock:
            self.cancel(key)
            self._by_key.pop(key, None)

    def is_busy(self, key: str) -> bool:
        """Return True if the job of ``key`` waits or runs."""
        status = self.find(key)
        return status is not None and not status.ended

    def _unended(self) -> list[_Job[P, R]]:
        """Return the running job, if any, followed by the waiting jobs in order."""
        return [*([self._running] if self._running else []), *self._waiting]

    def _status(self, job: _Job[P, R]) -> Status[P, R]:
        queue_position, wait = 0, None
        if job.state is State.WAITING:
            queue_position = self._unended().index(job)
            wait = self._wait(self._unended()[:queue_position])
        return Status(
            job.state,
            queue_position,
            tuple(job.progress),
            job.result,
            job.message,
            job.reports,
            wait,
            1.0 if job.state is State.DONE else job.fraction,
            None if job.state in ENDED else job.seconds_left,
            job.cancelled and job.state not in ENDED,
        )

    def _wait(self, before: list[_Job[P, R]]) -> int | None:
        """Estimate the seconds until all of ``before`` have ended; None if no run has finished yet."""
        seconds = 0.0
        for job in before:
            known = self._seconds.get(job.kind) or [each for kind in self._seconds.values() for each in kind]
            if not known:
                return None
            done = time.monotonic() - job.since if job.state is State.RUNNING else 0.0
            seconds += max(0.0, sum(known) / len(known) - done)
        return WAIT_STEP * math.ceil(seconds / WAIT_STEP)

    def _start_worker(self) -> None:
        self._worker = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._worker.start()

    def _work(self) -> None:
        _yield_to_others()
        try:
            while job := self._next():
                self._run(job)
        finally:
            with self._lock:
                # If this thread ends unexpectedly, its job must not stay pending, and the queue must continue.
                if self._running is not None:
                    self._running.end(
                        State.FAILED,
                        message="The run was ended from outside; nothing was changed. Start it again.",
                    )
                    self._running = None
                self._worker = None
                if self._waiting:
                    self._start_worker()

    def _next(self) -> _Job[P, R] | None:
        with self._lock:
            if not self._waiting:
                return None
            job = self._running = self._waiting.popleft()
            job.state, job.since = State.RUNNING, time.monotonic()
            return job

    def _run(self, job: _Job[P, R]) -> None:
        state, result, message = self._drive(job)
        with self._lock:
            job.end(state, result, message)
            self._running = None
            if state is State.DONE:
                self._seconds.setdefault(job.kind, deque(maxlen=TIMED)).append(time.monotonic() - job.since)

    def _out_of_time(self) -> OutOfTimeError:
        return OutOfTimeError(f"It was ended after {self._minutes:g} minutes, the longest that a run may take here.")

    def _drive(self, job: _Job[P, R]) -> tuple[State, R | None, str]:
        """Run ``job`` to its end; exceptions become a failed state."""
        try:
            run, late = job.context.run(job.start), time.monotonic() + 60 * self._minutes
            try:
                while not job.cancelled:
                    in_time = time.monotonic() < late
                    progress = job.context.run(*((next, run) if in_time else (run.throw, self._out_of_time())))
                    with self._lock:
                        known = self._seconds.get(job.kind)
                        job.report(progress, sum(known) / len(known) if known else None)
            except StopIteration as stop:
                return (State.CANCELLED, None, "") if job.cancelled else (State.DONE, stop.value, "")
            finally:
                job.context.run(run.close)
        except UnlearnError as error:
            return State.FAILED, None, str(error)
        except Exception as error:
            return State.FAILED, None, lacking(error) or OUR_ERROR.format(log_error(error))
        return State.CANCELLED, None, ""


def _yield_to_others() -> None:
    """Give the other threads of this process, and the threads that they start, precedence over this thread.

    On Linux each thread has its own priority, and threads that torch starts from this one inherit it.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
