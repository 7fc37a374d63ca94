"""A kind of background run: checked before it is queued, found by its key, its result kept once it is done."""

from __future__ import annotations

from collections.abc import Generator
from types import SimpleNamespace

import pytest
from helpers.waiting import ended

from unlearn.app.imports import OPENING
from unlearn.app.runs.background import BackgroundRun, Plan
from unlearn.app.runs.fine_tuning import FINE_TUNING
from unlearn.app.session import PAYER, Visitor
from unlearn.errors import ConceptError, JobError
from unlearn.jobs import Jobs
from unlearn.progress import Progress, State


@pytest.fixture
def services():
    return SimpleNamespace(jobs=Jobs(per_payer=1))


kept: list[tuple[Visitor, str]] = []


def plan(services, session, asked: str) -> Plan[Progress, str]:
    if not asked:
        raise ConceptError("Nothing was asked for.")

    def begin() -> Generator[Progress, None, str]:
        yield Progress(1, 2, asked)
        while asked == "for ever":
            yield Progress(1, 2)
        return asked

    return Plan(begin)


def keep(visitor: Visitor, result: str, services) -> None:
    kept.append((visitor, result))


RUN = BackgroundRun("audit", plan, stopped="Stopped.", keep=keep)


def test_what_is_wrong_with_a_request_is_raised_before_anything_is_queued(services):
    visitor = Visitor()
    with pytest.raises(ConceptError, match="Nothing was asked for"):
        RUN.start(services, visitor, "")
    assert RUN.find(services, visitor) is None


def test_a_result_is_kept_for_whoever_finds_it(services):
    visitor, reloaded = Visitor(), Visitor()
    reloaded.take_key(visitor.key)
    RUN.start(services, visitor, "this")
    ended(services.jobs, visitor.job_keys["audit"])
    status = RUN.find(services, reloaded)
    assert (status.state, status.result, status.progress[-1].text) == (State.DONE, "this", "this")
    assert kept[-1] == (reloaded, "this")
    RUN.forget(services, visitor)
    assert RUN.find(services, reloaded) is None


def test_a_run_is_cancelled_by_its_key_alone(services):
    visitor, other = Visitor(), Visitor()
    RUN.start(services, visitor, "for ever")
    RUN.cancel(services, other)
    assert not RUN.find(services, visitor).ended
    RUN.cancel(services, visitor)
    assert ended(services.jobs, visitor.job_keys["audit"]).state is State.CANCELLED


def test_every_run_counts_for_the_address_that_asks(services):
    token = PAYER.set("192.0.2.1")
    try:
        first, visitor = Visitor(), Visitor()
        RUN.start(services, first, "for ever")
        with pytest.raises(JobError, match="1 runs of your address"):
            RUN.start(services, visitor, "this")
    finally:
        PAYER.reset(token)
    assert RUN.start(services, visitor, "this").queue_position == 1
    RUN.cancel(services, first)


def test_an_opened_file_takes_the_place_of_a_run_of_cliperase():
    assert OPENING.key == FINE_TUNING.key
    assert OPENING.keep is FINE_TUNING.keep
