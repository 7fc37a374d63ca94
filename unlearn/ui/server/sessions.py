"""End of visits: a visit that is over is removed with everything stored for it.

Gradio keeps a closed page's state for an hour, and its other data for a page, here a quarter of a megabyte of
components, until thousands of other pages have opened. In this app a visit and its data end half an hour after the last
request, or ten minutes after it once the page is closed: a phone in standby may reconnect. An active run keeps the
visit of an open page; ten minutes after the page was closed, the visit ends in any case.

A client may name any number of visits, so visits are counted by address: one address cannot end the visits of others,
and if there are too many in total, the address with the most visits loses one.

Gradio records the time of day of a visit's last request. This module uses a monotonic clock: otherwise every visit
would be over when the machine's clock is set forward, and none when it is set back.
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

#: Seconds until a visit is over: after its last request with the page closed or open, and after the page was closed.
CLOSED, IDLE, GONE = 600.0, 1800.0, 600.0
#: Seconds between two checks.
EVERY = 60.0
#: Largest number of visits at once.
MOST = 1000


class Visits:
    """The visits of a page. Used on the event loop, where requests begin too.

    Args:
        demo: the page.
        services: the services with the visitors' jobs.
        per_address: the largest number of visits of one address.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self, demo: gr.Blocks, services: Provider, per_address: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._demo = demo
        self._services = services
        self._per_address = per_address
        self._clock = clock
        self._addresses: dict[str, str] = {}
        #: Time of each visit's last request.
        self._heard: dict[str, float] = {}

    @asynccontextmanager
    async def ending(self, _app: Any) -> AsyncIterator[None]:
        """End the visits that are over, for as long as the server runs."""
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
        """Return whether ``address`` may call in the visit ``session``; a new visit may end another one.

        False only if every visit that could end is busy.
        """
        holder, whose = self._demo.state_holder, payer(address)
        if session in holder.session_data:
            self._heard[session] = self._clock()
            return True
        # Visits that gradio ended, or that never began, are removed here too.
        self._addresses = {name: owner for name, owner in self._addresses.items() if name in holder.session_data}
        self._heard = {name: then for name, then in self._heard.items() if name in holder.session_data}
        counts = Counter(self._addresses.values())
        if counts[whose] >= self._per_address and not self._end_one({whose}):
            return False
        if len(holder.session_data) >= MOST and not self._end_one({owner for owner, _ in counts.most_common(1)}):
            return False
        self._addresses[session], self._heard[session] = whose, self._clock()
        holder[session]  # creates the visit
        return True

    def end(self) -> None:
        """End the visits that are over.

        A visit with an active job is not idle. A visit with such a job whose page was closed lasts for another ``GONE``
        seconds: the page may be reloading.
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
        """End the least valuable visit of ``owners``; return False if all of theirs are busy."""
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
        # While the model loads, a call for the services would block every request until it is loaded.
        return not is_ready(self._services) or any(map(self._services().is_busy, visitors))

    def _leave(self, session: str) -> None:
        holder, queue = self._demo.state_holder, self._demo._queue
        state = holder.session_data.pop(session)
        holder.time_last_used.pop(session, None)
        self._addresses.pop(session, None)
        self._heard.pop(session, None)
        # Answers that were never fetched.
        queue.pending_messages_per_session.pop(session, None)
        queue.pending_event_ids_session.pop(session, None)
        for key, value in state.state_data.items():
            component = state.blocks_config.blocks[key]
            if isinstance(component, gr.State):
                component.delete_callback(value)


def _visitors(state: SessionState) -> list[Visitor]:
    return [value for value in state.state_data.values() if isinstance(value, Visitor)]
