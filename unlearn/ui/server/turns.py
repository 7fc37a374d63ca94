"""Turns of an address: limits on its open requests and on its events in gradio's queue.

The queue is first in, first out. An address with many events waits here, before the queue, so that addresses with few
events find it short.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import gradio as gr

from unlearn.ui.server.addresses import payer

#: Events of one address that are queued or running at once, and the same while other addresses have some there: then
#: an address with many events takes turns with each of the others.
AT_ONCE, BESIDE_OTHERS = 4, 1
#: Streams of one address; they wait for a run and cost little.
STREAMS = 16
#: Requests of one address that wait for their turn, and the longest wait of each in seconds.
WAITING, SECONDS = 64, 120.0
LOOK = 0.05


class BusyError(Exception):
    """Refusal of a request because its address has reached a limit; the message says which."""


class Turns:
    """The active requests and events of every address. Used on the event loop alone, so it needs no lock.

    Args:
        demo: the page whose queue is read.
        open_requests: requests of one address that may be open at once, including streams.
    """

    def __init__(self, demo: gr.Blocks | None, open_requests: int) -> None:
        self._demo = demo
        self._most = open_requests
        self._open: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._joining: Counter[tuple[str, bool]] = Counter()

    @contextmanager
    def open_request(self, address: str) -> Iterator[None]:
        """Count a request of ``address`` for as long as it is open.

        Raises:
            BusyError: the address has too many.
        """
        with _counted(self._open, payer(address), self._most) as counted:
            if not counted:
                raise BusyError(f"More than {self._most} requests from your address are open; close some pages.")
            yield

    @asynccontextmanager
    async def turn(self, address: str, fn: Any) -> AsyncIterator[None]:
        """Wait until the event ``fn`` of ``address`` may join the queue, which it must do inside the block.

        Raises:
            BusyError: too many requests wait, or this one has waited too long.
        """
        stream = fn.concurrency_limit is None
        whose, last = (payer(address), stream), time.monotonic() + SECONDS
        with _counted(self._waiting, payer(address), WAITING) as counted:
            while not counted or not self._has_room(*whose):
                if not counted or time.monotonic() > last:
                    raise BusyError("Many requests from your address wait already; try again when some are answered.")
                await asyncio.sleep(LOOK)
            self._joining[whose] += 1
        try:
            yield
        finally:
            self._joining[whose] -= 1
            if not self._joining[whose]:
                del self._joining[whose]

    def is_unknown(self, event_id: str) -> bool:
        """Return whether gradio's queue has neither an event with this id nor an answer for it."""
        if self._demo is None:
            return False
        queue = self._demo._queue
        answered = any(event_id in events for events in queue.pending_event_ids_session.values())
        return event_id not in queue.event_ids_to_events and not answered

    def _has_room(self, whose: str, stream: bool) -> bool:
        """Return whether another event of the address may be active now."""
        events = self._demo._queue.event_ids_to_events.values() if self._demo else ()
        same = (event.request.client for event in events if (event.fn.concurrency_limit is None) is stream)
        under_way = Counter(payer(client.host) for client in same if client)
        own = under_way[whose] + self._joining[whose, stream]
        if stream:
            return own < STREAMS
        return own < (BESIDE_OTHERS if under_way.total() > under_way[whose] else AT_ONCE)


@contextmanager
def _counted(counts: Counter[str], whose: str, most: int) -> Iterator[bool]:
    """Yield whether there were fewer than ``most``; if so, count one more inside the block."""
    if counts[whose] >= most:
        yield False
        return
    counts[whose] += 1
    try:
        yield True
    finally:
        counts[whose] -= 1
        if not counts[whose]:
            del counts[whose]
