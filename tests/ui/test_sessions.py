"""Visits end, and nothing of them stays: on gradio's own state holder, over the page as it is."""

from __future__ import annotations

import gc
from datetime import timedelta

import gradio as gr
import psutil
import pytest
from gradio.state_holder import StateHolder
from helpers.building import built
from helpers.fakes import drawing, fake_services
from helpers.waiting import ended

from unlearn.app.asked import ErasureRequest
from unlearn.app.session import Visitor
from unlearn.app.startup import Lazy
from unlearn.data.gallery import Gallery, GalleryImage
from unlearn.progress import State
from unlearn.ui.page import build_demo
from unlearn.ui.server import sessions
from unlearn.ui.server.sessions import CLOSED, GONE, IDLE, Visits


@pytest.fixture(scope="module")
def services():
    return fake_services()


@pytest.fixture(scope="module")
def demo(services):
    return built(lambda: build_demo(lambda: services))


class House:
    """The page's sessions as gradio keeps them, and the clock."""

    def __init__(self, demo, services):
        self.holder = StateHolder()
        self.holder.set_blocks(demo)
        self.key = next(key for key, block in demo.blocks.items() if isinstance(block, gr.State) and block.value)
        self.services = services
        self.now = 0.0
        self.visits = Visits(demo, lambda: services, per_address=3, clock=lambda: self.now)

    def visit(self, name: str, *, ago: float = 0.0, closed: bool = False) -> Visitor:
        """A visitor who came some time ago, and erased something."""
        self.now -= ago
        assert self.visits.admit(name, f"198.51.100.{len(self.holder.session_data) % 250}")
        state = self.holder[name]
        visitor = state[self.key]
        image = drawing("cat", 256)
        visitor.change(
            erasure=self.services.erase(visitor.session, ErasureRequest(["cat"])),
            uploads=Gallery("mine", (GalleryImage("mug", "a mug", lambda: image),)),
        )
        state[self.key] = visitor
        state.is_closed = closed
        self.now += ago
        return visitor

    def end(self, later: float = 0.0) -> set[str]:
        self.now += later
        self.visits.end()
        assert set(self.holder.session_data) == set(self.holder.time_last_used)
        return set(self.holder.session_data)


@pytest.fixture
def house(demo, services):
    return House(demo, services)


def test_visits_end_when_idle_and_sooner_when_closed(house):
    for name, ago, closed in (
        ("open", IDLE - 1, False),
        ("idle", IDLE + 1, False),
        ("asleep", CLOSED - 1, True),
        ("gone", CLOSED + 1, True),
    ):
        house.visit(name, ago=ago, closed=closed)
    assert house.end() == {"open", "asleep"}


@pytest.mark.parametrize("days", [-3650, 3650])
def test_the_machines_clock_may_be_set_as_one_likes(house, days):
    """Neither ends a visit that is not over, nor keeps one that is."""
    house.visit("over", ago=IDLE - 1)
    house.visit("new")
    house.end()
    for name, noted in house.holder.time_last_used.items():  # as if the clock had been set between then and now
        house.holder.time_last_used[name] = noted - timedelta(days=days)
    assert house.end() == {"over", "new"}
    assert house.end(2) == {"new"}


def waits():
    while True:
        yield 0


def ends():
    yield 0
    return "weights"


@pytest.mark.parametrize("kind", list(Visitor().job_keys))
@pytest.mark.parametrize("closed", [False, True])
def test_a_visit_with_a_job_is_not_idle_and_its_result_has_time_to_be_seen(house, services, kind, closed):
    visitor = house.visit("busy", ago=2 * IDLE, closed=closed)
    line = visitor.job_keys[kind]
    services.jobs.start(line, waits)
    assert house.end() == {"busy"}
    services.jobs.cancel(line)
    assert ended(services.jobs, line).state is State.CANCELLED
    assert house.end() == {"busy"}, "idle time starts when the job has ended"
    assert house.end(2 * IDLE) == set()
    assert services.jobs.find(line) is None


def test_a_job_of_a_page_that_nobody_opens_again_ends(house, services):
    visitor = house.visit("busy", closed=True)
    services.jobs.start(visitor.key, waits)
    assert house.end() == {"busy"}
    assert house.end(GONE) == {"busy"}
    house.holder.session_data["busy"].is_closed = False
    assert house.end(GONE) == {"busy"}, "somebody looks at it"
    house.holder.session_data["busy"].is_closed = True
    assert house.end(GONE) == {"busy"}
    assert house.end(GONE + 1) == set()
    assert services.jobs.find(visitor.key) is None


def test_a_job_outlives_the_page_that_was_reloaded(house, services):
    old = house.visit("old", ago=2 * IDLE)
    new = house.visit("new")
    new.key = old.key
    services.jobs.start(old.key, ends)
    ended(services.jobs, old.key)
    del old
    assert house.end() == {"new"}
    assert services.jobs.find(new.key).result == "weights"


def test_one_address_ends_only_visits_of_its_own_and_first_those_that_hold_nothing(house):
    for name in ("mine", "theirs", "empty"):
        assert house.visits.admit(name, "192.0.2.1" if name != "theirs" else "192.0.2.2")
    house.visit("mine", ago=IDLE / 2)
    house.visit("theirs", ago=IDLE / 2)
    for number in range(20):
        assert house.visits.admit(f"flood {number}", "192.0.2.1")
    left = set(house.holder.session_data)
    assert {"mine", "theirs", "flood 19"} < left
    assert len(left) == 4, "three of the one address, and the other's"


def test_a_busy_visit_is_never_ended_for_another(house, services):
    for name in ("a", "b", "c"):
        assert house.visits.admit(name, "192.0.2.1")
        services.jobs.start(house.visit(name, ago=IDLE / 2).key, waits)
    assert not house.visits.admit("d", "192.0.2.1")
    assert house.visits.admit("d", "192.0.2.2"), "another address has room"
    assert {"a", "b", "c", "d"} == set(house.holder.session_data)
    for name in ("a", "b", "c"):
        visitor = house.holder[name][house.key]
        services.jobs.cancel(visitor.key)
        ended(services.jobs, visitor.key)
    assert house.visits.admit("e", "192.0.2.1")


def test_a_crowd_costs_the_address_that_has_the_most(house, monkeypatch):
    monkeypatch.setattr(sessions, "MOST", 4)
    assert house.visits.admit("other", "192.0.2.2")
    for number in range(3):
        assert house.visits.admit(str(number), "192.0.2.1")
    assert house.visits.admit("third", "192.0.2.3")
    left = set(house.holder.session_data)
    assert {"other", "third"} < left
    assert len(left) == 4


def test_while_the_model_loads_nobody_waits_for_it_and_no_visitor_is_ended(demo):
    now = 0.0
    services = Lazy(lambda: pytest.fail("the model was waited for"))
    visits_ = Visits(demo, services, per_address=1, clock=lambda: now)
    holder = StateHolder()
    holder.set_blocks(demo)
    assert visits_.admit("a", "192.0.2.1")
    key = next(key for key, block in demo.blocks.items() if isinstance(block, gr.State) and block.value)
    holder["a"][key]
    assert not visits_.admit("b", "192.0.2.1")
    now += 2 * IDLE
    visits_.end()
    assert set(holder.session_data) == {"a"}


def test_a_visit_that_ended_starts_anew(house):
    before = house.visit("late", ago=2 * IDLE)
    house.end()
    after = house.holder["late"][house.key]
    assert after is not before
    assert after.session.erasure is None


@pytest.mark.slow
def test_hundreds_of_visits_leave_the_memory_where_it_was(house):
    def come_and_go(visitors: int) -> float:
        for number in range(visitors):
            house.visit(str(number), ago=2 * IDLE)
            if number % 50 == 49:
                assert house.end() == set()
        gc.collect()
        return psutil.Process().memory_info().rss / 2**20

    before = come_and_go(100)  # caches and the allocator fill up
    after = come_and_go(300)
    assert after - before < 10, f"{after - before:.1f} MiB were kept of 300 visits of half a megabyte each"
