"""When a visit ends, and all that was kept for it goes.

Gradio keeps a closed page's state for an hour, and what else it holds for a page, here a quarter of a megabyte of
components, until thousands of others have come. In this app a visit ends with everything half an hour after its last
request, or ten minutes after it once the page is closed: a phone that was asleep comes back. A run that is under way
keeps the visit of an open page; ten minutes after the page was closed nobody will come back to it.

Whoever calls may name a visit of any number, so visits are counted by address: one address cannot end the visits of
others, and where there are too many, the address with the most of them loses one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState

from unlearn.app.session import Visitor
from unlearn.app.startup import Provider, is_ready
from unlearn.logs import log_error
from unlearn.memory import give_back
from unlearn.ui.server.addresses import payer

CLOSED, IDLE, GONE = timedelta(minutes=10), timedelta(minutes=30), timedelta(minutes=10)
EVERY = timedelta(minutes=1)
#: Visits that are kept at once.
MOST = 1000


class Visits:
    """The visits of a page, on the event loop where requests begin too.

    Args:
        demo: the page.
        services: where visitors' jobs are.
        per_address: visits of one address at once.
    """

    def __init__(self, demo: gr.Blocks, services: Provider, per_address: int) -> None:
        self._demo = demo
        self._services = services
        self._per_address = per_address
        self._addresses: dict[str, str] = {}

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
            await asyncio.sleep(EVERY.total_seconds())
            try:
                self.end(datetime.now())
                await asyncio.to_thread(give_back)
            except Exception as error:
                log_error(error)

    def admit(self, session: str, address: str) -> bool:
        """Whether ``address`` may call in the visit ``session``; for a new one, another may have to end.

        False only where everything that could end is busy.
        """
        holder, whose = self._demo.state_holder, payer(address)
        if session in holder.session_data:
            return True
        # A visit that gradio ended, or that was never begun, is forgotten here too.
        self._addresses = {name: owner for name, owner in self._addresses.items() if name in holder.session_data}
        counts = Counter(self._addresses.values())
        if counts[whose] >= self._per_address and not self._end_one({whose}):
            return False
        if len(holder.session_data) >= MOST and not self._end_one({owner for owner, _ in counts.most_common(1)}):
            return False
        self._addresses[session] = whose
        holder[session]  # begins the visit
        return True

    def end(self, now: datetime) -> None:
        """End the visits that are over ``now``.

        A visit with a job under way is not idle. Nor is it over when its page was closed, before it was so for
        ``GONE``: it may be a page being reloaded.
        """
        holder = self._demo.state_holder
        for session, state in list(holder.session_data.items()):
            visitors = _visitors(state)
            for visitor in visitors:
                visitor.left = (visitor.left or now) if state.is_closed else None
            gone = any(visitor.left and now - visitor.left > GONE for visitor in visitors)
            if self._is_busy(session, state):
                holder.time_last_used[session] = now
            idle = now - holder.time_last_used[session]
            if gone or idle > (CLOSED if state.is_closed else IDLE):
                self._leave(session)

    def _end_one(self, owners: set[str]) -> bool:
        """End the visit of ``owners`` that is missed the least; False if each of theirs is busy."""
        holder = self._demo.state_holder
        theirs = [session for session in holder.session_data if self._addresses.get(session, "") in owners]

        def missed(session: str) -> tuple[bool, bool, datetime]:
            state = holder.session_data[session]
            edited = any(visitor.session.erased or visitor.session.uploads for visitor in _visitors(state))
            return edited, not state.is_closed, holder.time_last_used[session]

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
        # Answers that nobody came for.
        queue.pending_messages_per_session.pop(session, None)
        queue.pending_event_ids_session.pop(session, None)
        for key, value in state.state_data.items():
            component = state.blocks_config.blocks[key]
            if isinstance(component, gr.State):
                component.delete_callback(value)


def _visitors(state: SessionState) -> list[Visitor]:
    return [value for value in state.state_data.values() if isinstance(value, Visitor)]
