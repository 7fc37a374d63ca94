"""When a visit ends, and all that was kept for it goes.

Gradio keeps a closed page's state for an hour, and what else it holds for a page, here a quarter of a megabyte of
components, until thousands of others have come. In this app a visit ends with everything half an hour after its last
request, or ten minutes after it once the page is closed: a phone that was asleep comes back. A run that is under way
keeps its visit, for an hour where nobody has the page open.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

from unlearn.memory import give_back
from unlearn.ui.loading import Provider
from unlearn.ui.session import Visitor

CLOSED, IDLE, GONE = timedelta(minutes=10), timedelta(minutes=30), timedelta(hours=1)
EVERY = timedelta(minutes=1)
#: Visits that are kept at once.
MOST = 1000

logger = logging.getLogger(__name__)


@asynccontextmanager
async def ending_visits(app: Any, services: Provider) -> AsyncIterator[None]:
    """While the server ``app`` runs, end the visits that are over; on its own event loop, where requests begin too."""
    task = asyncio.create_task(_end_regularly(app.state_holder, lambda visitor: services().is_busy(visitor)))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _end_regularly(holder: StateHolder, is_busy: Callable[[Visitor], bool]) -> None:
    while True:
        await asyncio.sleep(EVERY.total_seconds())
        try:
            end_visits(holder, is_busy, datetime.now())
            await asyncio.to_thread(give_back)
        except Exception:
            logger.exception("visits could not be ended")


def end_visits(holder: StateHolder, is_busy: Callable[[Visitor], bool], now: datetime) -> None:
    """End the visits that are over ``now``, and the oldest where there are more than ``MOST``.

    A visit with a job under way is not idle. Nor is it over when its page was closed, before it was so for ``GONE``: it
    may be a page being reloaded.
    """
    too_many = len(holder.session_data) - MOST
    for age, (session_id, state) in enumerate(list(holder.session_data.items())):
        visitors = [value for value in state.state_data.values() if isinstance(value, Visitor)]
        for visitor in visitors:
            visitor.left = (visitor.left or now) if state.is_closed else None
        gone = any(visitor.left and now - visitor.left > GONE for visitor in visitors)
        if any(map(is_busy, visitors)):
            holder.time_last_used[session_id] = now
        idle = now - holder.time_last_used[session_id]
        if gone or age < too_many or idle > (CLOSED if state.is_closed else IDLE):
            del holder.session_data[session_id], holder.time_last_used[session_id]
            _leave(state)


def _leave(state: SessionState) -> None:
    for key, value in state.state_data.items():
        component = state.blocks_config.blocks[key]
        if isinstance(component, gr.State):
            component.delete_callback(value)
