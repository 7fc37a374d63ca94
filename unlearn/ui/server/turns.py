"""Turns of an address: limits on its open requests, and on what it has computed at once.

Pages and events take processor time. Those of one address wait in line here, first come, first served, and
beside visitors at other addresses they are served one by one with a rest between them. So an address that asks for much
takes at most half of a core, and gradio's queue, which serves all addresses in the order of their requests, is short.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from unlearn.ui.server.addresses import payer
from unlearn.ui.server.routes import Turn

#: Costly requests of one address that are served at once: alone, and beside other addresses.
AT_ONCE, BESIDE_OTHERS = 4, 1
#: Seconds since its last costly request for which an address counts as another one that is served.
PRESENT = 30.0
#: Seconds after which an event, such as the loading of a model, no longer keeps its address from its next turn.
LONG = 10.0
#: Longest rest in seconds.
REST = 5.0
#: Uploads that one address sends at once, and streams; both wait more than they compute.
UPLOADS, STREAMS = 4, 16
#: Requests of one address that wait for their turn, and the longest wait of each in seconds.
WAITING, SECONDS = 64, 120.0
LOOK = 0.05


class TurnError(Exception):
    """Refusal of a request because its address has reached a limit; the message says which."""


@dataclass
class _Line:
    """The requests of one address that wait for their turn, and the number of those that are served."""

    head: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    served: int = 0


class Turns:
    """The active requests and events of every address. Used on the event loop alone, so it needs no lock.

    Args:
        demo: the page whose queue is read.
        open_requests: requests of one address that may be open at once, including streams.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, demo: gr.Blocks | None, open_requests: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._demo = demo
        self._most = open_requests
        self._clock = clock
        self._open: Counter[str] = Counter()
        self._lines: dict[tuple[str, Turn], _Line] = {}
        #: Time of each address' last costly request.
        self._present: dict[str, float] = {}

    @contextmanager
    def open_request(self, address: str) -> Iterator[None]:
        """Count a request of ``address`` for as long as it is open.

        Raises:
            BusyError: the address has too many.
        """
        whose = payer(address)
        if self._open[whose] >= self._most:
            raise TurnError(f"More than {self._most} requests from your address are open; close some pages.")
        self._open[whose] += 1
        try:
            yield
        finally:
            self._open[whose] -= 1
            self._open += Counter()  # drops the counts at zero

    @asynccontextmanager
    async def turn(self, address: str, kind: Turn) -> AsyncIterator[None]:
        """Wait until a request of ``address`` may be served, which lasts as long as the block.

        An event must join the queue inside the block; it is served until it leaves the queue.

        Raises:
            BusyError: too many requests wait, or this one has waited too long.
        """
        whose = payer(address), kind
        line = self._lines.setdefault(whose, _Line())
        try:
            await self._wait(line, *whose)
            line.served += 1
            try:
                yield
            finally:
                line.served -= 1
        finally:
            if not line.waiting and not line.served:
                self._lines.pop(whose, None)

    def is_unknown(self, event_id: str) -> bool:
        """Return whether gradio's queue has neither an event with this id nor an answer for it."""
        if self._demo is None:
            return False
        queue = self._demo._queue
        answered = any(event_id in events for events in queue.pending_event_ids_session.values())
        return event_id not in queue.event_ids_to_events and not answered

    async def _wait(self, line: _Line, whose: str, kind: Turn) -> None:
        refusal = TurnError("Many requests from your address wait already; try again when some are answered.")
        if line.waiting >= WAITING:
            raise refusal
        line.waiting += 1
        try:
            async with asyncio.timeout(SECONDS), line.head:
                first = self._clock()
                while not self._has_room(line, whose, kind):
                    await asyncio.sleep(LOOK)
                # The first in line has waited for as long as the request before it took.
                if kind is Turn.WORK and self._others(whose):
                    await asyncio.sleep(min(self._clock() - first, REST))
        except TimeoutError:
            raise refusal from None
        finally:
            line.waiting -= 1

    def _has_room(self, line: _Line, whose: str, kind: Turn) -> bool:
        if kind is Turn.UPLOAD:
            return line.served < UPLOADS
        now = self._clock()
        ages = [now - event.enqueue_time for event in self._events(whose) if turn_of(event.fn) is kind]
        if kind is Turn.STREAM:
            return len(ages) + line.served < STREAMS
        self._present[whose] = now
        recent = sum(age < LONG for age in ages) + line.served
        return len(ages) + line.served < AT_ONCE and (recent < BESIDE_OTHERS or not self._others(whose))

    def _events(self, whose: str) -> list[Any]:
        events = self._demo._queue.event_ids_to_events.values() if self._demo else ()
        return [event for event in events if event.request.client and payer(event.request.client.host) == whose]

    def _others(self, whose: str) -> bool:
        """Return whether other addresses had costly requests lately."""
        since = self._clock() - PRESENT
        self._present = {other: then for other, then in self._present.items() if then > since}
        return any(other != whose for other in self._present)


def turn_of(fn: Any) -> Turn:
    """Return the turn of the event ``fn``; one without a limit waits for a run and holds no thread."""
    return Turn.STREAM if fn.concurrency_limit is None else Turn.WORK
