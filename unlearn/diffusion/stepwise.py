"""Conversion of a call that reports through a callback into a generator that yields the reports and can be closed."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S")
R = TypeVar("R")


class _StoppedError(Exception):
    """Raised inside the call to end it."""


@dataclass(frozen=True)
class _Ended(Generic[R]):
    """Outcome of the call: a result, or an error that the generator raises."""

    result: R | None = None
    error: BaseException | None = None


def stepwise(call: Callable[[Callable[[S], None]], R]) -> Generator[S, None, R]:
    """Run ``call`` in a thread; yields its reports and returns its result.

    After each report the call waits until the next one is requested. Closing the generator ends the call at its next
    report and waits until it has ended.

    Args:
        call: the function to run; its argument is the function to report with.
    """
    reports: queue.Queue[S | _Ended[R]] = queue.Queue(maxsize=1)
    go_on, stopped = threading.Semaphore(0), threading.Event()

    def report(step: S) -> None:
        reports.put(step)
        go_on.acquire()
        if stopped.is_set():
            raise _StoppedError

    def work() -> None:
        try:
            reports.put(_Ended(result=call(report)))
        except BaseException as error:  # the generator raises it again
            reports.put(_Ended(error=error))

    _in_thread(work)
    received = reports.get()
    try:
        while not isinstance(received, _Ended):
            yield received
            go_on.release()
            received = reports.get()
    finally:
        stopped.set()
        while not isinstance(received, _Ended):
            go_on.release()
            received = reports.get()
    if received.error is not None:
        raise received.error
    result: R = received.result  # type: ignore[assignment]  # the call's return value
    return result


class _Thread(threading.Thread):
    """A thread that waits for its next call. It is daemonic: an abandoned call must not keep the process alive."""

    def __init__(self) -> None:
        super().__init__(name="drawing", daemon=True)
        self.calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.start()

    def run(self) -> None:
        while True:
            self.calls.get()()
            _idle.append(self)


_idle: deque[_Thread] = deque()


def _in_thread(call: Callable[[], None]) -> None:
    """Run ``call`` in an idle thread from an earlier call, or in a new thread if there is none.

    oneDNN caches compiled kernels per thread: a new thread compiles all of them again, which takes as long as drawing.
    """
    try:
        thread = _idle.pop()
    except IndexError:
        thread = _Thread()
    thread.calls.put(call)
