"""A pipeline's call, which reports by calling back, as a generator that can be asked on, watched and closed."""

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
    """Raised inside of the call to leave it."""


@dataclass(frozen=True)
class _Ended(Generic[R]):
    """How the call ended: with a result, or with an error to be raised where the generator is."""

    result: R | None = None
    error: BaseException | None = None


def stepwise(call: Callable[[Callable[[S], None]], R]) -> Generator[S, None, R]:
    """Run ``call`` in a thread; yields what it reports and returns what it returns.

    After each report the call waits until the next is asked for. Closing the generator ends it at its next report, and
    waits for that.

    Args:
        call: gets the function to report with.
    """
    told: queue.Queue[S | _Ended[R]] = queue.Queue(maxsize=1)
    go_on, stopped = threading.Semaphore(0), threading.Event()

    def report(step: S) -> None:
        told.put(step)
        go_on.acquire()
        if stopped.is_set():
            raise _StoppedError

    def work() -> None:
        try:
            told.put(_Ended(result=call(report)))
        except BaseException as error:  # raised again where the generator is
            told.put(_Ended(error=error))

    _in_thread(work)
    heard = told.get()
    try:
        while not isinstance(heard, _Ended):
            yield heard
            go_on.release()
            heard = told.get()
    finally:
        stopped.set()
        while not isinstance(heard, _Ended):
            go_on.release()
            heard = told.get()
    if heard.error is not None:
        raise heard.error
    result: R = heard.result  # type: ignore[assignment]  # what the call returned
    return result


class _Thread(threading.Thread):
    """A thread that waits for its next call. Daemonic: a call that nobody asks on must not keep the process alive."""

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
    """``call`` in a thread that has made calls before, if one is free.

    oneDNN keeps the kernels it has compiled for each thread: in a new one it would compile them all again, which takes
    as long as the drawing.
    """
    try:
        thread = _idle.pop()
    except IndexError:
        thread = _Thread()
    thread.calls.put(call)
