"""When a visit ends, and all that was kept for it goes.

Gradio keeps a closed page's state for an hour, and what else it holds for a page, here a quarter of a megabyte of
components, until thousands of others have come. In this app a visit ends with everything half an hour after its last
request, or ten minutes after it once the page is closed: a phone that was asleep comes back. A run that is under way
keeps the visit of an open page; ten minutes after the page was closed nobody will come back to it.

Whoever calls may name a visit of any number, so visits are counted by address: one address cannot end the visits of
others, and where there are too many, the address with the most of them loses one.

Gradio notes the time of day of a visit's last request. Here it is told by a clock that nobody sets: otherwise every
visit would be over when the machine's own is set forward, and none when it is set back.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState

from unlearn.app.session import Visitor
from unlearn.app.startup import Provider, is_ready
from unlearn.logs import log_error
from unlearn.memory import give_back
from unlearn.ui.server.addresses import payer

#: Seconds after which a visit is over: since its last request with the page closed or open, and since it was closed.
CLOSED, IDLE, GONE = 600.0, 1800.0, 600.0
#: Seconds between two looks.
EVERY = 60.0
#: Visits that are kept at once.
MOST = 1000


class Visits:
    """The visits of a page, on the event loop where requests begin too.

    Args:
        demo: the page.
        services: where visitors' jobs are.
        per_address: visits of one address at once.
        clock: seconds, which only ever go on.
    """

    def __init__(
        self, demo: gr.Blocks, services: Provider, per_address: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._demo = demo
        self._services = services
        self._per_address = per_address
        self._clock = clock
        self._addresses: dict[str, str] = {}
        #: When each was last heard of.
        self._heard: dict[str, float] = {}

    @asynccontextmanager
    async def ending(self, _app: Any) -> AsyncIterator[None]:
        """While the server runs, end the visits that are over."""
        task = asyncio.create_task(self._end_regularly())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _end_regularly(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            try:
                self.end()
                await asyncio.to_thread(give_back)
            except Exception as error:
                log_error(error)

    def admit(self, session: str, address: str) -> bool:
        """Whether ``address`` may call in the visit ``session``; for a new one, another may have to end.

        False only where everything that could end is busy.
        """
        holder, whose = self._demo.state_holder, payer(address)
        if session in holder.session_data:
            self._heard[session] = self._clock()
            return True
        # A visit that gradio ended, or that was never begun, is forgotten here too.
        self._addresses = {name: owner for name, owner in self._addresses.items() if name in holder.session_data}
        self._heard = {name: then for name, then in self._heard.items() if name in holder.session_data}
        counts = Counter(self._addresses.values())
        if counts[whose] >= self._per_address and not self._end_one({whose}):
            return False
        if len(holder.session_data) >= MOST and not self._end_one({owner for owner, _ in counts.most_common(1)}):
            return False
        self._addresses[session], self._heard[session] = whose, self._clock()
        holder[session]  # begins the visit
        return True

    def end(self) -> None:
        """End the visits that are over.

        A visit with a job under way is not idle. Nor is it over when its page was closed, before it was so for
        ``GONE``: it may be a page being reloaded.
        """
        now = self._clock()
        for session, state in list(self._demo.state_holder.session_data.items()):
            visitors = _visitors(state)
            for visitor in visitors:
                if not state.is_closed:
                    visitor.left = None
                elif visitor.left is None:
                    visitor.left = now
            gone = any(visitor.left is not None and now - visitor.left > GONE for visitor in visitors)
            if self._is_busy(session, state):
                self._heard[session] = now
            idle = now - self._heard.setdefault(session, now)
            if gone or idle > (CLOSED if state.is_closed else IDLE):
                self._leave(session)

    def _end_one(self, owners: set[str]) -> bool:
        """End the visit of ``owners`` that is missed the least; False if each of theirs is busy."""
        holder = self._demo.state_holder
        theirs = [session for session in holder.session_data if self._addresses.get(session, "") in owners]

        def missed(session: str) -> tuple[bool, bool, float]:
            state = holder.session_data[session]
            edited = any(visitor.session.erased or visitor.session.uploads for visitor in _visitors(state))
            return edited, not state.is_closed, self._heard.get(session, 0.0)

        for session in sorted(theirs, key=missed):
            if not self._is_busy(session, holder.session_data[session]):
                self._leave(session)
                return True
        return False

    def _is_busy(self, session: str, state: SessionState) -> bool:
        queue = self._demo._queue
        if any(event in queue.event_ids_to_events for event in queue.pending_event_ids_session.get(session, ())):
            return True
        visitors = _visitors(state)
        if not visitors:
            return False
        # While the model loads, to ask for the services would keep every request waiting for it.
        return not is_ready(self._services) or any(map(self._services().is_busy, visitors))

    def _leave(self, session: str) -> None:
        holder, queue = self._demo.state_holder, self._demo._queue
        state = holder.session_data.pop(session)
        holder.time_last_used.pop(session, None)
        self._addresses.pop(session, None)
        self._heard.pop(session, None)
        # Answers that nobody came for.
        queue.pending_messages_per_session.pop(session, None)
        queue.pending_event_ids_session.pop(session, None)
        for key, value in state.state_data.items():
            component = state.blocks_config.blocks[key]
            if isinstance(component, gr.State):
                component.delete_callback(value)


def _visitors(state: SessionState) -> list[Visitor]:
    return [value for value in state.state_data.values() if isinstance(value, Visitor)]
