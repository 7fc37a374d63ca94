"""Endpoints that take long: background runs, with their progress streamed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr
from gradio.components.api_component import Api

from unlearn import app
from unlearn.app.asked import DrawRequest, FineTuneRequest
from unlearn.app.session import Visitor
from unlearn.app.startup import Provider
from unlearn.errors import JobError
from unlearn.progress import Progress, Status
from unlearn.ui.api.endpoints import TEXT, endpoint, erase_first, erased_first
from unlearn.ui.api.reports import audit_report, drawing_report, run_report, trade_off_report
from unlearn.ui.background import poll
from unlearn.ui.server.listeners import Attention

if TYPE_CHECKING:
    from unlearn.app.runs.background import BackgroundRun

A = TypeVar("A")
P = TypeVar("P", bound=Progress)
R = TypeVar("R")


@dataclass(frozen=True)
class RunEndpoints:
    """``/cliperase``, ``/generate``, ``/trade_off``, ``/audit`` and ``/cancel``."""

    services: Provider

    async def cliperase(self, visitor: Visitor, request: FineTuneRequest) -> AsyncIterator[dict[str, Any]]:
        """Fine-tune concepts away with CLIPErase; streams the state of the run until it has ended.

        Args:
            {options}

        Returns:
            State, queue position, seconds to wait, the fraction that is done and the seconds left of the whole run,
            what is done of how much, as a text too, losses and accuracies (null where not measured), and seconds of
            training. Once done, the later calls of the same client compare
            "CLIPErase" too; the run of a client that leaves is ended.
        """
        async for status in self._run(visitor, lambda: app.fine_tuning.FINE_TUNING, request):
            yield run_report(status)

    async def generate(
        self, visitor: Visitor, request: DrawRequest, forget: Sequence[str] = ()
    ) -> AsyncIterator[dict[str, Any]]:
        """Draw the same seeds before and after the active edits; streams the state until it is complete.

        Args:
            {options}
            forget: Concepts to erase first, with the defaults of /erase; none leaves the erasure as it is.

        Returns:
            State, queue position, seconds to wait, and what is done of how much, as a text too; once done, the images
            as PNG data URIs and what is seen in them, or the rates of the batch.
        """
        async for status in self._run(visitor, lambda: app.drawings.DRAWING, request, forget):
            yield drawing_report(status)

    async def audit(self, visitor: Visitor, concept: str, forget: list[str]) -> AsyncIterator[dict[str, Any]]:
        """Attack the active edits, to see what they left; streams the state of the audit until it has ended.

        Args:
            concept: The erased concept to attack; "" for the first.
            forget: Concepts to erase first, with the defaults of /erase; none leaves the erasure as it is.

        Returns:
            State, queue position, seconds to wait, the fraction that is done and the seconds left of the whole run,
            what is done of how much, as a text too; the answer so far as a sentence and its verdict; and the findings
            so far: verdict ("held", "leaked", "undecided" where the interval holds the threshold, or "not applicable"),
            the number before and after the edit, by chance and under a random edit, as fractions (null where not
            measured), its 95% interval, the threshold, details, and as PNG data URIs what a
            soft prompt drew. Those of group "related" do not count for the answer.
        """
        async for status in self._run(visitor, lambda: app.audits.AUDIT, concept, forget):
            yield audit_report(status)

    async def trade_off(self, visitor: Visitor, forget: Sequence[str] = ()) -> AsyncIterator[dict[str, Any]]:
        """Measure what an erasure costs, against its strength and against the number of concepts erased.

        Args:
            forget: Concepts to erase first, with the defaults of /erase; none leaves the erasure as it is.

        Returns:
            Points of both curves for every form (accuracies as fractions; the paired form edits images where the
            erasure is one of both sides), and the mean cosine of images (rows) with texts (columns) by variant.
        """
        states = [state async for state in self._run(visitor, lambda: app.trade_offs.TRADE_OFF, None, forget)]
        status = states[-1] if states else None
        if status is None or status.result is None:
            raise JobError(status.message if status and status.message else "The measurement was stopped.")
        geometry = await asyncio.to_thread(lambda: app.trade_offs.geometry(self.services(), visitor.session))
        yield trade_off_report(status.result, geometry)

    async def _run(
        self, visitor: Visitor, kind: Callable[[], BackgroundRun[A, P, R]], asked: A, forget: Sequence[str] = ()
    ) -> AsyncIterator[Status[P, R] | None]:
        """Erase ``forget``, start the run that ``asked`` describes, and stream its state until it has ended."""

        def start() -> BackgroundRun[A, P, R]:
            erase_first(self.services, visitor, forget)
            run = kind()
            run.start(self.services(), visitor, asked)
            return run

        # In a thread, as the first call loads torch and the model.
        run = await asyncio.to_thread(start)
        async for status in self._streamed(visitor, run):
            yield status

    async def _streamed(self, visitor: Visitor, run: BackgroundRun[A, P, R]) -> AsyncIterator[Status[P, R] | None]:
        """Stream the state of the visitor's run; cancel the run if the client disconnects."""
        try:
            async for status in poll(lambda: run.find(self.services(), visitor), Attention()):
                yield status
        finally:
            run.cancel(self.services(), visitor)

    def cancel(self, visitor: Visitor) -> dict[str, Any]:
        """Stop this session's run, drawing, audit and trade-off within a step; the active edit and the images stay.

        Returns:
            The state of the run, of the drawing, of the audit and of the trade-off.
        """
        runs: dict[str, BackgroundRun[Any, Any, Any]] = {
            "drawing": app.drawings.DRAWING,
            "audit": app.audits.AUDIT,
            "trade_off": app.trade_offs.TRADE_OFF,
        }
        status = app.fine_tuning.FINE_TUNING.cancel(self.services(), visitor)
        others = {name: run.cancel(self.services(), visitor) for name, run in runs.items()}
        return run_report(status) | {name: str(other.state) if other else "none" for name, other in others.items()}

    def register(self, visitor: gr.State) -> None:
        # A generator holds no thread while it waits, so any number of calls may wait.
        stream = {"concurrency_limit": None}
        attacked = Api("", TEXT, "Erased concept to attack; the first if empty")
        endpoint(self.cliperase, visitor, asks=FineTuneRequest, **stream)
        endpoint(self.generate, visitor, erased_first(), asks=DrawRequest, **stream)
        endpoint(self.trade_off, visitor, erased_first(), **stream)
        endpoint(self.audit, visitor, attacked, erased_first(), **stream)
        endpoint(self.cancel, visitor)
