"""What one address may have open and in the queue, on a queue of a few lines."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from unlearn.ui.server import turns
from unlearn.ui.server.turns import AT_ONCE, BusyError, Turns

WORK, FOLLOW = SimpleNamespace(concurrency_limit="default"), SimpleNamespace(concurrency_limit=None)


class Queue:
    """The events of gradio's queue."""

    def __init__(self) -> None:
        self.event_ids_to_events: dict[int, Any] = {}
        self.pending_event_ids_session: dict[str, set[str]] = {}

    def join(self, address: str, fn: Any) -> None:
        client = SimpleNamespace(host=address)
        event = SimpleNamespace(fn=fn, request=SimpleNamespace(client=client))
        self.event_ids_to_events[len(self.event_ids_to_events)] = event


@pytest.fixture
def queue() -> Queue:
    return Queue()


@pytest.fixture
def allowed(queue: Queue) -> Turns:
    return Turns(SimpleNamespace(_queue=queue), 3)  # type: ignore[arg-type]


def test_one_address_has_so_many_requests_open_and_another_its_own(allowed: Turns):
    with allowed.open_request("192.0.2.1"), allowed.open_request("192.0.2.1"), allowed.open_request("192.0.2.1"):
        with pytest.raises(BusyError, match="More than 3 requests"), allowed.open_request("192.0.2.1"):
            pass
        with allowed.open_request("192.0.2.2"):
            pass
    with allowed.open_request("192.0.2.1"):
        pass


def test_a_burst_joins_the_queue_bit_by_bit_and_others_at_once(allowed: Turns, queue: Queue):
    async def ask(address: str, fn: Any = WORK) -> None:
        async with allowed.turn(address, fn):
            await asyncio.sleep(0.01)
            queue.join(address, fn)

    async def burst() -> None:
        asked = [asyncio.create_task(ask("192.0.2.1")) for _ in range(3 * AT_ONCE)]
        await asyncio.sleep(0.2)
        assert len(queue.event_ids_to_events) == AT_ONCE
        await asyncio.wait_for(ask("192.0.2.2"), 1)
        await asyncio.wait_for(ask("192.0.2.1", FOLLOW), 1)
        while not all(task.done() for task in asked):
            queue.event_ids_to_events.clear()
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(burst(), 20))


def test_one_who_waits_for_too_long_is_told(allowed: Turns, queue: Queue, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(turns, "SECONDS", 0.1)

    async def ask() -> None:
        async with allowed.turn("192.0.2.1", WORK):
            pass

    for _ in range(AT_ONCE):
        queue.join("192.0.2.1", WORK)
    with pytest.raises(BusyError, match="wait already"):
        asyncio.run(ask())


def test_while_others_are_served_an_address_has_one_event_at_a_time(allowed: Turns, queue: Queue, monkeypatch):
    monkeypatch.setattr(turns, "SECONDS", 0.2)

    async def ask() -> None:
        async with allowed.turn("192.0.2.1", WORK):
            queue.join("192.0.2.1", WORK)

    queue.join("192.0.2.2", WORK)
    asyncio.run(ask())
    with pytest.raises(BusyError, match="wait already"):
        asyncio.run(ask())
    del queue.event_ids_to_events[0]  # the other is answered
    asyncio.run(ask())
