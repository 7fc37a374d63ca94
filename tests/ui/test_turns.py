"""What one address may have open and in the queue, on a queue of a few lines."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from unlearn.ui.server import turns
from unlearn.ui.server.routes import Turn
from unlearn.ui.server.turns import AT_ONCE, LONG, PRESENT, UPLOADS, TurnError, Turns, turn_of

WORK, FOLLOW = SimpleNamespace(concurrency_limit="default"), SimpleNamespace(concurrency_limit=None)


class Queue:
    """The events of gradio's queue."""

    def __init__(self) -> None:
        self.event_ids_to_events: dict[int, Any] = {}
        self.pending_event_ids_session: dict[str, set[str]] = {}

    def join(self, address: str, fn: Any, since: float = 0.0) -> None:
        request = SimpleNamespace(client=SimpleNamespace(host=address))
        event = SimpleNamespace(fn=fn, request=request, enqueue_time=since)
        self.event_ids_to_events[len(self.event_ids_to_events)] = event


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def allowed(queue: Queue, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Turns:
    monkeypatch.setattr(turns, "SECONDS", 0.2)
    return Turns(SimpleNamespace(_queue=queue), 3, clock)  # type: ignore[arg-type]


async def ask(allowed: Turns, queue: Queue, address: str, fn: Any = WORK) -> None:
    """Join the queue as soon as it is the address's turn."""
    async with allowed.turn(address, turn_of(fn)):
        await asyncio.sleep(0)
        queue.join(address, fn, allowed._clock())


def is_refused(allowed: Turns, queue: Queue, address: str) -> bool:
    try:
        asyncio.run(ask(allowed, queue, address))
    except TurnError:
        return True
    return False


def test_one_address_has_so_many_requests_open_and_another_its_own(allowed: Turns):
    with allowed.open_request("192.0.2.1"), allowed.open_request("192.0.2.1"), allowed.open_request("192.0.2.1"):
        with pytest.raises(TurnError, match="More than 3 requests"), allowed.open_request("192.0.2.1"):
            pass
        with allowed.open_request("192.0.2.2"):
            pass
    with allowed.open_request("192.0.2.1"):
        pass


def test_a_burst_joins_the_queue_bit_by_bit_and_others_at_once(allowed: Turns, queue: Queue, monkeypatch):
    monkeypatch.setattr(turns, "SECONDS", 20)

    async def burst() -> None:
        asked = [asyncio.create_task(ask(allowed, queue, "192.0.2.1")) for _ in range(3 * AT_ONCE)]
        await asyncio.sleep(0.2)
        assert len(queue.event_ids_to_events) == AT_ONCE
        await asyncio.wait_for(ask(allowed, queue, "192.0.2.2"), 1)
        await asyncio.wait_for(ask(allowed, queue, "192.0.2.1", FOLLOW), 1)
        while not all(task.done() for task in asked):
            queue.event_ids_to_events.clear()
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(burst(), 20))


def test_one_who_waits_for_too_long_is_told(allowed: Turns, queue: Queue):
    for _ in range(AT_ONCE):
        queue.join("192.0.2.1", WORK)
    assert is_refused(allowed, queue, "192.0.2.1")
    assert not allowed._lines, "nothing is left of who has gone"


def test_beside_other_addresses_an_address_has_one_event_at_a_time(allowed: Turns, queue: Queue, clock: Clock):
    assert not is_refused(allowed, queue, "192.0.2.2")
    queue.event_ids_to_events.clear()  # answered; its visitor may ask again soon
    assert not is_refused(allowed, queue, "192.0.2.1")
    assert is_refused(allowed, queue, "192.0.2.1")
    assert not is_refused(allowed, queue, "192.0.2.2"), "each address has a turn of its own"
    clock.now += PRESENT + 1
    assert not is_refused(allowed, queue, "192.0.2.1"), "the other has gone"


def test_an_event_that_takes_long_does_not_keep_its_address_from_others(allowed: Turns, queue: Queue, clock: Clock):
    for second in range(AT_ONCE):
        asyncio.run(ask(allowed, queue, "192.0.2.2"))
        queue.event_ids_to_events = {
            key: event for key, event in queue.event_ids_to_events.items() if event.request.client.host == "192.0.2.1"
        }
        assert not is_refused(allowed, queue, "192.0.2.1"), second
        assert is_refused(allowed, queue, "192.0.2.1"), second
        clock.now += LONG
    assert is_refused(allowed, queue, "192.0.2.1"), "as many at most as one address may have without others"


def test_pages_and_events_of_an_address_share_its_turns(allowed: Turns, queue: Queue):
    async def page() -> None:
        await ask(allowed, queue, "192.0.2.2")
        async with allowed.turn("192.0.2.1", Turn.WORK):
            with pytest.raises(TurnError):
                await ask(allowed, queue, "192.0.2.1")
        await ask(allowed, queue, "192.0.2.1")

    asyncio.run(page())


def test_a_request_that_had_to_wait_rests_as_long_beside_others(
    allowed: Turns, queue: Queue, clock: Clock, monkeypatch
):
    slept: list[float] = []
    sleep = asyncio.sleep

    async def passes(seconds: float) -> None:
        slept.append(seconds)
        clock.now += seconds
        if len(slept) == 10:
            queue.event_ids_to_events.clear()
        await sleep(0)

    async def second() -> None:
        await ask(allowed, queue, "192.0.2.2")
        await ask(allowed, queue, "192.0.2.1")
        monkeypatch.setattr(asyncio, "sleep", passes)
        await ask(allowed, queue, "192.0.2.1")

    asyncio.run(second())
    waits = [seconds for seconds in slept if seconds]
    assert waits[-1] == pytest.approx(sum(waits[:-1])), "it rested for as long as it had waited"
    assert waits[-1] > 5 * turns.LOOK


def test_so_many_uploads_of_an_address_are_under_way_and_the_next_waits(allowed: Turns):
    async def uploads() -> None:
        for _ in range(UPLOADS):
            await stack.enter_async_context(allowed.turn("192.0.2.1", Turn.UPLOAD))
        with pytest.raises(TurnError):
            async with allowed.turn("192.0.2.1", Turn.UPLOAD):
                pass
        async with allowed.turn("192.0.2.2", Turn.UPLOAD), allowed.turn("192.0.2.1", Turn.WORK):
            pass
        await stack.aclose()
        async with allowed.turn("192.0.2.1", Turn.UPLOAD):
            pass

    stack = AsyncExitStack()
    asyncio.run(uploads())
