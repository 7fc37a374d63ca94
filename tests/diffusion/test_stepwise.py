"""A call that reports by calling back, as a generator: it waits, ends when closed, and hands its error on."""

from __future__ import annotations

import threading

import pytest

from unlearn.diffusion.stepwise import stepwise
from unlearn.progress import run_to_end


def counting(made: list[int], until: int):
    def call(report):
        for step in range(until):
            made.append(step)
            report(step)
        return threading.current_thread()

    return call


def test_what_is_reported_is_yielded_and_what_is_returned_is_returned():
    heard: list[int] = []
    thread = run_to_end(stepwise(counting([], 3)), heard.append)
    assert heard == [0, 1, 2]
    assert thread is not threading.current_thread()
    assert run_to_end(stepwise(counting([], 0))) is thread, "a thread that knows its kernels is used again"


def test_it_waits_to_be_asked_on_and_ends_where_it_is_closed():
    made: list[int] = []
    run = stepwise(counting(made, 100))
    assert [next(run), next(run)] == [0, 1]
    assert made == [0, 1]
    run.close()
    assert made == [0, 1]


def test_two_at_once_do_not_wait_for_each_other():
    first, second = (stepwise(counting([], 2)) for _ in range(2))
    assert [next(first), next(second), next(first), next(second)] == [0, 0, 1, 1]
    assert run_to_end(first) is not run_to_end(second)


def test_an_error_is_raised_where_it_is_asked_on():
    def fail(report):
        report(1)
        raise MemoryError

    run = stepwise(fail)
    assert next(run) == 1
    with pytest.raises(MemoryError):
        next(run)
    with pytest.raises(StopIteration):
        next(run)
