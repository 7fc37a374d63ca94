"""The endpoints that take their time: background runs, told as they go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import gradio as gr
from gradio.components.api_component import Api

from unlearn.app.session import DrawRequest, FineTuneRequest, Visitor
from unlearn.app.startup import Provider
from unlearn.jobs import Status
from unlearn.ui.api.endpoints import TEXT, endpoint, erase_first, erased_first
from unlearn.ui.api.reports import audit_report, drawing_report, run_report
from unlearn.ui.background import poll
from unlearn.ui.server.listeners import Attention

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True)
class RunEndpoints:
    """``/cliperase``, ``/generate``, ``/audit`` and ``/cancel``."""

    services: Provider

    async def cliperase(self, visitor: Visitor, request: FineTuneRequest) -> AsyncIterator[dict[str, Any]]:
        """Fine-tune concepts away with CLIPErase; streams the state of the run until it has ended.

        Args:
            {options}

        Returns:
            State, place in line, seconds to wait there, step, losses and accuracies (null where not measured), seconds
            and seconds left. Once done, the later calls of the same client compare "CLIPErase" too; the run of a client
            that leaves is ended.
        """
        from unlearn.app.runs import run_of, start_run

        await asyncio.to_thread(lambda: start_run(self.services(), visitor, request))
        async for status in self._streamed(visitor, "cliperase", lambda: run_of(self.services(), visitor)):
            yield run_report(status)

    async def generate(
        self, visitor: Visitor, request: DrawRequest, forget: Sequence[str] = ()
    ) -> AsyncIterator[dict[str, Any]]:
        """Draw the same seeds before and after the edits in force; streams the state until it is complete.

        Args:
            {options}
            forget: Concepts to erase first, with the defaults of /erase; none leaves the erasure as it is.

        Returns:
            State, place in line, seconds to wait there, and step; once done, the pictures as PNG data URIs (but for an
            assistant) and what is seen in them, or the rates of the batch.
        """
        from unlearn.app.drawings import drawing_of, start_drawing

        await asyncio.to_thread(erase_first, self.services, visitor, forget)
        start_drawing(self.services(), visitor, request)
        async for status in self._streamed(visitor, "drawing", lambda: drawing_of(self.services(), visitor)):
            yield drawing_report(status)

    async def audit(self, visitor: Visitor, concept: str, forget: list[str]) -> AsyncIterator[dict[str, Any]]:
        """Attack the edits in force, to see what they left; streams the state of the audit until it has ended.

        Args:
            concept: The erased concept to attack; "" for the first.
            forget: Concepts to erase first, with the defaults of /erase; none leaves the erasure as it is.

        Returns:
            State, place in line, seconds to wait there, what is done now, and the findings so far: verdict ("held",
            "leaked" or "not applicable"), the number before and after the edit, by chance and under a random edit, as
            fractions (null where not measured), its 95% interval, details, and as PNG data URIs (but for an assistant)
            what a soft prompt drew.
        """
        from unlearn.app.audits import audit_of, start_audit

        await asyncio.to_thread(erase_first, self.services, visitor, forget)
        await asyncio.to_thread(lambda: start_audit(self.services(), visitor, concept))
        async for status in self._streamed(visitor, "audit", lambda: audit_of(self.services(), visitor)):
            yield audit_report(status)

    async def _streamed(
        self, visitor: Visitor, line: str, find: Callable[[], Status[P, R] | None]
    ) -> AsyncIterator[Status[P, R] | None]:
        """The run that was begun in ``line``; it ends with its stream, so that none goes on that nobody hears of."""
        try:
            async for status in poll(find, Attention()):
                yield status
        finally:
            self.services().jobs.cancel(visitor.lines[line])

    def cancel(self, visitor: Visitor) -> dict[str, Any]:
        """Stop this session's run, drawing and audit within a step; the edit in force and the pictures stay.

        Returns:
            The state of the run, of the drawing and of the audit.
        """
        from unlearn.app.audits import stop_audit
        from unlearn.app.drawings import stop_drawing
        from unlearn.app.runs import stop_run

        status, drawing = stop_run(self.services(), visitor), stop_drawing(self.services(), visitor)
        others = {"drawing": drawing, "audit": stop_audit(self.services(), visitor)}
        return run_report(status) | {what: str(o.state) if o else "none" for what, o in others.items()}

    def register(self, visitor: gr.State) -> None:
        # A generator waits without holding a thread, so any number may.
        stream = {"concurrency_limit": None}
        attacked = Api("", TEXT, "Erased concept to attack; the first if empty")
        endpoint(self.cliperase, visitor, asks=FineTuneRequest, **stream)
        endpoint(self.generate, visitor, erased_first(), asks=DrawRequest, **stream)
        endpoint(self.audit, visitor, attacked, erased_first(), **stream)
        endpoint(self.cancel, visitor)
