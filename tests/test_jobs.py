"""One worker, a bounded line, and jobs that end alone."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import re
import sys
import threading
import time
import weakref

import pytest
import torch
from helpers.waiting import ended

from unlearn.clip.encoders import weights_checksum
from unlearn.concepts.selection import select
from unlearn.erasers import cliperase
from unlearn.erasers.settings import CLIPEraseSettings
from unlearn.errors import JobError, OutOfTimeError
from unlearn.jobs import MOST_KEPT, MOST_SHOWN, NICENESS, Jobs
from unlearn.progress import Progress, State

NAMES = ("ann", "bob", "cec")


@pytest.fixture
def jobs():
    jobs = Jobs(queue_size=2)
    yield jobs
    for session in NAMES:
        jobs.forget(session)


class Gate:
    """A job of three steps; each waits until it is let through."""

    def __init__(self, result="result"):
        self.entered, self.allow, self.closed = threading.Event(), threading.Semaphore(0), threading.Event()
        self.result = result

    def __call__(self):
        try:
            for step in range(3):
                self.entered.set()
                assert self.allow.acquire(timeout=10)
                yield step
        finally:
            self.closed.set()
        return self.result

    def open(self):
        self.allow.release(100)
        return self


@pytest.fixture
def hurried():
    jobs = Jobs(minutes=1e-4)
    yield jobs
    for session in NAMES:
        jobs.forget(session)


def test_a_job_whose_time_is_up_ends_and_the_next_begins(hurried):
    def endless():
        while True:
            yield "more"

    hurried.start("ann", endless)
    hurried.start("bob", endless)
    for session in ("ann", "bob"):
        status = ended(hurried, session)
        assert status.state is State.FAILED
        assert "ended after 0.0001 minutes, the longest" in status.message
        assert status.progress[0] == "more", "what it reported stays"


def test_a_job_whose_time_is_up_may_return_what_it_has(hurried):
    def learns():
        try:
            while True:
                yield "more"
        except OutOfTimeError:
            return "so far"

    hurried.start("ann", learns)
    status = ended(hurried, "ann")
    assert (status.state, status.result) == (State.DONE, "so far")


def test_progress_then_result(jobs):
    assert jobs.start("ann", Gate().open()).state in (State.WAITING, State.RUNNING)
    status = ended(jobs, "ann")
    assert (status.state, status.progress, status.result) == (State.DONE, (0, 1, 2), "result")


def test_the_fraction_of_a_job_never_falls_and_is_full_only_at_its_end(jobs):
    seen = []

    def unsteady():
        for whole in (0.0, 0.5, 0.2, 1.0):
            yield Progress(text="…", whole=whole)
            seen.append(jobs.find("ann").fraction)

    jobs.start("ann", unsteady)
    assert ended(jobs, "ann").fraction == 1.0
    assert seen == [0.0, 0.5, 0.5, MOST_SHOWN]


def test_the_seconds_left_are_those_of_the_whole_run(jobs, monkeypatch):
    clock, seen = [0.0], []
    monkeypatch.setattr("unlearn.jobs.time.monotonic", lambda: clock[0])

    def run():
        for clock[0], whole in ((0.0, 0.5), (1.0, 0.6), (2.0, 0.7)):
            yield Progress(whole=whole)
            seen.append(jobs.find("ann").seconds_left)

    jobs.start("ann", run, kind="one")
    jobs._worker.join(10)
    assert seen == [None, 4, 3], "what was skipped at first says nothing of the rate"
    seen.clear()
    clock[0] = 0.0
    jobs.start("ann", run, kind="one")
    jobs._worker.join(10)
    assert seen[0] == 2, "as long as the last of its kind took"


def test_a_cancelled_job_is_stopping_until_its_step_has_ended(jobs):
    gate = Gate()
    jobs.start("ann", gate)
    gate.entered.wait(10)
    assert jobs.cancel("ann").stopping
    gate.open()
    status = ended(jobs, "ann")
    assert (status.state, status.stopping, status.progress) == (State.CANCELLED, False, (0,)), "what it found stays"


def test_one_runs_the_others_know_their_place(jobs):
    gates = {name: Gate() for name in NAMES}
    for name, gate in gates.items():
        jobs.start(name, gate)
        gates["ann"].entered.wait(10)
    assert [jobs.find(name).queue_position for name in gates] == [0, 1, 2]
    assert [jobs.find(name).state for name in gates] == [State.RUNNING, State.WAITING, State.WAITING]
    with pytest.raises(JobError, match="2 runs are waiting"):
        jobs.start("dan", Gate())
    jobs.cancel("bob")
    assert jobs.find("cec").queue_position == 1
    for gate in gates.values():
        gate.open()
    assert [ended(jobs, name).state for name in gates] == [State.DONE, State.CANCELLED, State.DONE]
    assert not gates["bob"].entered.is_set()


def test_an_address_has_a_few_runs_and_others_their_turn():
    jobs, gates = Jobs(per_payer=2), {name: Gate() for name in (*NAMES, "dan")}
    try:
        jobs.start("ann", gates["ann"], payer="192.0.2.1")
        jobs.start("bob", gates["bob"], payer="192.0.2.1")
        with pytest.raises(JobError, match="2 runs of your address"):
            jobs.start("cec", gates["cec"], payer="192.0.2.1")
        jobs.start("cec", gates["cec"], payer="192.0.2.2")
        jobs.cancel("bob")
        jobs.start("dan", gates["dan"], payer="192.0.2.1")
    finally:
        for name, gate in gates.items():
            gate.open()
            jobs.forget(name)


class Clock:
    """Time that a test moves."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr("unlearn.jobs.time.monotonic", lambda: self.now)


def test_who_waits_is_told_how_long_from_the_runs_of_that_kind(jobs, monkeypatch):
    clock = Clock(monkeypatch)

    def takes(seconds):
        def job():
            yield 0
            clock.now += seconds

        return job

    jobs.start("ann", takes(500), kind="training")
    ended(jobs, "ann")
    jobs.start("ann", takes(45), kind="drawing")
    ended(jobs, "ann")
    running, waiting = Gate(), Gate()
    jobs.start("ann", running, kind="drawing")
    running.entered.wait(10)
    jobs.start("bob", waiting, kind="training")
    jobs.start("cec", Gate(), kind="drawing")
    assert [jobs.find(name).wait for name in NAMES] == [None, 50, 550]
    clock.now += 30
    assert [jobs.find(name).wait for name in NAMES] == [None, 20, 520]
    clock.now += 300
    assert [jobs.find(name).wait for name in NAMES] == [None, 0, 500]
    running.open()
    waiting.open()


def test_where_nothing_has_finished_no_wait_is_made_up(jobs):
    gate = Gate()
    jobs.start("ann", gate)
    assert jobs.start("bob", Gate()).wait is None
    gate.open()


def test_two_starts_from_one_page(jobs):
    gate = Gate()
    jobs.start("ann", gate)
    with pytest.raises(JobError, match="still"):
        jobs.start("ann", Gate())
    gate.open()
    assert ended(jobs, "ann").state is State.DONE
    jobs.start("ann", Gate("second").open())
    assert ended(jobs, "ann").result == "second"


def test_cancel_takes_effect_within_a_step(jobs):
    gate = Gate()
    jobs.start("ann", gate)
    gate.allow.release()
    gate.entered.wait(10)
    jobs.cancel("ann")
    gate.allow.release()  # the step it is in ends, and no other begins
    status = ended(jobs, "ann")
    assert status.state is State.CANCELLED
    assert len(status.progress) <= 2
    assert gate.closed.is_set()


def test_cancel_before_the_start_and_twice_and_of_nothing(jobs):
    assert jobs.cancel("nobody") is None
    first, second = Gate(), Gate()
    jobs.start("ann", first)
    jobs.start("bob", second)
    assert jobs.cancel("bob").state is State.CANCELLED
    assert jobs.cancel("bob").state is State.CANCELLED
    first.open()
    assert ended(jobs, "ann").state is State.DONE
    assert jobs.cancel("ann").state is State.DONE
    assert jobs.find("ann").result == "result"


def test_found_again_after_a_reload(jobs):
    gate = Gate()
    jobs.start("ann", gate)
    assert not jobs.find("ann").ended  # the page is gone, the job is not
    gate.open()
    assert ended(jobs, "ann").result == "result"
    assert jobs.find("nobody") is None


def test_a_long_run_is_thinned_out_and_two_looks_are_told_apart(jobs):
    steps, last_but_one = 5 * MOST_KEPT, threading.Semaphore(0)

    def long():
        for step in range(steps):
            if step == steps - 1:
                assert last_but_one.acquire(timeout=10)
            yield step

    jobs.start("ann", long)
    while (before := jobs.find("ann")).reports < steps - 1:
        time.sleep(0.001)
    assert jobs.find("ann") == before
    last_but_one.release()
    after = ended(jobs, "ann")
    assert after != before
    assert MOST_KEPT / 2 <= len(after.progress) <= MOST_KEPT
    assert list(after.progress) == sorted(after.progress)
    assert (after.progress[0], after.progress[-1]) == (0, steps - 1)


def test_the_worker_lives_as_long_as_there_is_work(jobs):
    for _ in range(2):
        jobs.start("ann", Gate().open())
        worker = jobs._worker
        ended(jobs, "ann")
        worker.join(10)
        assert not worker.is_alive()
        assert jobs._worker is None


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (JobError("The loss became nan at step 3."), "The loss became nan at step 3."),
        (torch.OutOfMemoryError("CUDA out of memory"), "not enough memory"),
        (MemoryError(), "not enough memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            "not enough memory",
        ),
        (OSError(errno.ENOSPC, "No space left on device", "run.pt"), "no room on the disk"),
        (ZeroDivisionError("secret detail"), "error in this app"),
    ],
)
def test_a_failure_ends_that_job_alone(jobs, error, sentence, caplog):
    def failing():
        yield 0
        raise error

    jobs.start("ann", failing)
    jobs.start("bob", Gate().open())
    status = ended(jobs, "ann")
    assert status.state is State.FAILED
    assert sentence in status.message
    assert "secret" not in status.message + caplog.text
    if "error in this app" in sentence:
        assert re.search("error ([0-9a-f]{8})", status.message)[1] in caplog.text
    assert ended(jobs, "bob").state is State.DONE


def kill(thread: threading.Thread) -> None:
    """End ``thread`` as nothing in it would."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_worker_that_was_killed_is_replaced_and_its_job_says_so(jobs):
    def endless():
        while True:
            yield time.sleep(0.001)

    jobs.start("ann", endless)
    while jobs.find("ann").state is not State.RUNNING:
        time.sleep(0.001)
    jobs.start("bob", Gate("bob's").open())
    worker = jobs._worker
    kill(worker)
    worker.join(timeout=10)
    status = ended(jobs, "ann")
    assert status.state is State.FAILED
    assert "ended from outside" in status.message
    assert ended(jobs, "bob").result == "bob's", "whoever waited behind it still has a turn"
    assert jobs._worker is not worker
    jobs.start("ann", Gate("again").open())
    assert ended(jobs, "ann").result == "again"


def test_a_sessions_end_frees_what_it_made(jobs):
    class Weights:
        pass

    weights = Weights()
    reference = weakref.ref(weights)
    jobs.start("ann", Gate(weights).open())
    assert ended(jobs, "ann").result is weights
    del weights
    jobs.forget("ann")
    jobs.start("bob", Gate().open())
    ended(jobs, "bob")
    gc.collect()
    assert reference() is None
    assert jobs.find("ann") is None


@pytest.mark.parametrize("end", ["done", "cancelled waiting", "cancelled running", "failed"])
def test_what_a_job_works_with_goes_with_its_end(jobs, end):
    """Copies of a model's weights, say: the visit, and with it the job's result, may last for half an hour more."""

    class Model:
        def __init__(self) -> None:
            self.gate = Gate()

        def train(self):
            yield from self.gate()
            if end == "failed":
                raise JobError("It failed.")

    model = Model()
    gone, gate = weakref.ref(model), model.gate
    if end == "cancelled waiting":
        jobs.start("bob", Gate().open())
    jobs.start("ann", model.train)
    del model
    if end.startswith("cancelled"):
        jobs.cancel("ann")
    gate.open()
    assert ended(jobs, "ann").state == end.split()[0]
    deadline = time.monotonic() + 10
    while gone() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert gone() is None


def test_a_page_closed_for_good_mid_run(jobs):
    gate = Gate()
    jobs.start("ann", gate)
    gate.entered.wait(10)
    jobs.forget("ann")
    gate.open()
    assert gate.closed.wait(10)
    assert jobs.find("ann") is None


def test_base_weights_after_runs_cancels_and_crashes(jobs, toy, toy_gallery, toy_vocabulary, monkeypatch):
    before = weights_checksum(toy.model)

    def start():
        return cliperase.train(
            toy,
            select("apple", vocabulary=toy_vocabulary),
            CLIPEraseSettings(steps=5, batch_size=4, trainable="all", precision="float32"),
            galleries=[toy_gallery.train],
            probe=toy_gallery.test,
            vocabulary=toy_vocabulary,
        )

    jobs.start("ann", start)
    edited = ended(jobs, "ann").result.apply(toy)
    jobs.start("bob", start)
    while not jobs.find("bob").progress:
        time.sleep(0.001)
    jobs.cancel("bob")
    assert ended(jobs, "bob").state is State.CANCELLED
    monkeypatch.setattr(cliperase, "retention_loss", lambda *_: torch.tensor(float("inf")))
    jobs.start("cec", start)
    assert "inf at step 1" in ended(jobs, "cec").message
    assert weights_checksum(toy.model) == before != weights_checksum(edited.model)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives threads a priority each")
def test_a_run_leaves_the_processor_to_requests(jobs):
    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def run():
        yield "working"
        return priority()

    before = priority()
    jobs.start("ann", run)
    assert ended(jobs, "ann").result == max(before, NICENESS)
    assert priority() == before
