"""One address's turns: how many requests it has open, and how many of its events are in gradio's queue.

The queue is served first come, first served. An address that asks for much waits here, before the queue, so that those
who ask for little find it short.
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

#: Events of one address that are in the queue or run at once, and how many while others have some there: an address
#: that asks for much then has the processors in turn with each of those.
AT_ONCE, BESIDE_OTHERS = 4, 1
#: Streams of one address; they wait for a run and cost little.
STREAMS = 16
#: Requests of one address that wait for their turn, and how many seconds each.
WAITING, SECONDS = 64, 120.0
LOOK = 0.05


class BusyError(Exception):
    """The address has as much under way as it may; the message says what."""


class Turns:
    """What every address has under way. Used on the event loop alone, so it needs no lock.

    Args:
        demo: the page, whose queue is looked at.
        open_requests: requests of one address that may be open at once, streams among them.
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
            BusyError: too many are.
        """
        with _counted(self._open, payer(address), self._most) as counted:
            if not counted:
                raise BusyError(f"More than {self._most} requests from your address are open; close some pages.")
            yield

    @asynccontextmanager
    async def turn(self, address: str, fn: Any) -> AsyncIterator[None]:
        """Wait until the event ``fn`` of ``address`` may join the queue, which it does within.

        Raises:
            BusyError: too many wait, or it has waited for too long.
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
        """Whether gradio's queue has no event of this name, and no answer for one."""
        if self._demo is None:
            return False
        queue = self._demo._queue
        answered = any(event_id in events for events in queue.pending_event_ids_session.values())
        return event_id not in queue.event_ids_to_events and not answered

    def _has_room(self, whose: str, stream: bool) -> bool:
        """Whether another event of the address may be under way now."""
        events = self._demo._queue.event_ids_to_events.values() if self._demo else ()
        same = (event.request.client for event in events if (event.fn.concurrency_limit is None) is stream)
        under_way = Counter(payer(client.host) for client in same if client)
        own = under_way[whose] + self._joining[whose, stream]
        if stream:
            return own < STREAMS
        return own < (BESIDE_OTHERS if under_way.total() > under_way[whose] else AT_ONCE)


@contextmanager
def _counted(counts: Counter[str], whose: str, most: int) -> Iterator[bool]:
    """Whether there were fewer than ``most``; then there is one more meanwhile."""
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
