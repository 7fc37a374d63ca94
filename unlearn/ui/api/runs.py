"""The endpoints that take their time: background runs, told as they go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr
from gradio.components.api_component import Api

from unlearn import app
from unlearn.app.session import DrawRequest, FineTuneRequest, Visitor
from unlearn.app.startup import Provider
from unlearn.jobs import Progress, Status
from unlearn.ui.api.endpoints import NUMBER, TEXT, TEXTS, YES_OR_NO, endpoint, erase_first, erased_first
from unlearn.ui.api.reports import audit_report, drawing_report, run_report
from unlearn.ui.background import poll
from unlearn.ui.server.listeners import Attention

if TYPE_CHECKING:
    from unlearn.app.background import BackgroundRun

Number = TypeVar("Number", int, float)
A = TypeVar("A")
P = TypeVar("P", bound=Progress)
R = TypeVar("R")
#: A number that is left to what suits: JSON's null would say that the parameter was forgotten.
LEFT_OPEN = -1


@dataclass(frozen=True)
class RunEndpoints:
    """``/cliperase``, ``/generate``, ``/audit`` and ``/cancel``."""

    services: Provider

    async def cliperase(  # noqa: PLR0917  its arguments are the endpoint's
        self,
        visitor: Visitor,
        forget: list[str],
        steps: int,
        learning_rate: float,
        trainable: str,
        forgetting: str,
        seed: int,
    ) -> AsyncIterator[dict[str, Any]]:
        """Fine-tune concepts away with CLIPErase; streams the state of the run until it has ended.

        Args:
            forget: Concepts with pictures in the gallery.
            steps: Steps of the training; -1 leaves them to what suits the weights that train.
            learning_rate: Learning rate of the training; -1 leaves it to what suits the weights that train.
            trainable: What trains, "last_blocks", "projections", "lora" or "all".
            forgetting: The forgetting module, "cosine" or "gradient_ascent".
            seed: Seed of the training.

        Returns:
            State, queue position, seconds to wait, what is done of how much, as a text too, losses and accuracies (null
            where not measured), seconds and seconds left. Once done, the later calls of the same client compare
            "CLIPErase" too; the run of a client that leaves is ended.
        """
        request = FineTuneRequest(forget, _if_chosen(steps), _if_chosen(learning_rate), trainable, forgetting, seed)
        async for status in self._run(visitor, lambda: app.fine_tuning.FINE_TUNING, request):
            yield run_report(status)

    async def generate(  # noqa: PLR0917  its arguments are the endpoint's
        self,
        visitor: Visitor,
        prompt: str,
        pipeline: str,
        seed: int,
        count: int,
        steps: int,
        guidance: float,
        edit: str,
        carry_method: str,
        judge: bool,
        forget: list[str],
    ) -> AsyncIterator[dict[str, Any]]:
        """Draw the same seeds before and after the edits in force; streams the state until it is complete.

        Args:
            prompt: What to draw.
            pipeline: "pocket", "stable-diffusion-v1-5", "stable-diffusion-2-1", "stable-diffusion-xl" or "sd-turbo".
            seed: Seed of the first picture; the next takes the next.
            count: Number of pictures.
            steps: Steps of a drawing; -1 leaves them to what the pipeline draws well with.
            guidance: Guidance; -1 leaves it to what the pipeline draws well with.
            edit: Edit that draws "after", "CCUP", "CLIPErase" or "" for all in force.
            way: How CCUP reaches the pipeline, "ridge" or "pull_back".
            judge: Whether a batch is drawn and judged instead of the prompt.
            forget: Concepts to erase first, with the defaults of /erase; none leaves the erasure as it is.

        Returns:
            State, queue position, seconds to wait, and what is done of how much, as a text too; once done, the pictures
            as PNG data URIs (but for an assistant) and what is seen in them, or the rates of the batch.
        """
        request = DrawRequest(
            prompt, pipeline, seed, _if_chosen(steps), _if_chosen(guidance), count, edit, carry_method, judge
        )
        async for status in self._run(visitor, lambda: app.drawings.DRAWING, request, forget):
            yield drawing_report(status)

    async def audit(self, visitor: Visitor, concept: str, forget: list[str]) -> AsyncIterator[dict[str, Any]]:
        """Attack the edits in force, to see what they left; streams the state of the audit until it has ended.

        Args:
            concept: The erased concept to attack; "" for the first.
            forget: Concepts to erase first, with the defaults of /erase; none leaves the erasure as it is.

        Returns:
            State, queue position, seconds to wait, what is done of how much, as a text too, and the findings so far:
            verdict ("held", "leaked" or "not applicable"), the number before and after the edit, by chance and under a
            random edit, as fractions (null where not measured), its 95% interval, details, and as PNG data URIs (but
            for an assistant) what a soft prompt drew.
        """
        async for status in self._run(visitor, lambda: app.audits.AUDIT, concept, forget):
            yield audit_report(status)

    async def _run(
        self, visitor: Visitor, kind: Callable[[], BackgroundRun[A, P, R]], asked: A, forget: Sequence[str] = ()
    ) -> AsyncIterator[Status[P, R] | None]:
        """Erase ``forget``, start the run that ``asked`` describes, and tell of it until it has ended."""

        def start() -> BackgroundRun[A, P, R]:
            erase_first(self.services, visitor, forget)
            run = kind()
            run.start(self.services(), visitor, asked)
            return run

        # In a thread: the first call loads torch and the model.
        run = await asyncio.to_thread(start)
        async for status in self._streamed(visitor, run):
            yield status

    async def _streamed(self, visitor: Visitor, run: BackgroundRun[A, P, R]) -> AsyncIterator[Status[P, R] | None]:
        """The visitor's run; it ends with its stream, so that none goes on that nobody hears of."""
        try:
            async for status in poll(lambda: run.find(self.services(), visitor), Attention()):
                yield status
        finally:
            run.cancel(self.services(), visitor)

    def cancel(self, visitor: Visitor) -> dict[str, Any]:
        """Stop this session's run, drawing and audit within a step; the edit in force and the pictures stay.

        Returns:
            The state of the run, of the drawing and of the audit.
        """
        runs: dict[str, BackgroundRun[Any, Any, Any]] = {"drawing": app.drawings.DRAWING, "audit": app.audits.AUDIT}
        status = app.fine_tuning.FINE_TUNING.cancel(self.services(), visitor)
        others = {name: run.cancel(self.services(), visitor) for name, run in runs.items()}
        return run_report(status) | {name: str(other.state) if other else "none" for name, other in others.items()}

    def register(self, visitor: gr.State) -> None:
        # A generator waits without holding a thread, so any number may.
        stream = {"concurrency_limit": None}
        attacked = Api("", TEXT, "Erased concept to attack; the first if empty")
        endpoint(self.cliperase, visitor, *_run_parameters(), **stream)
        endpoint(self.generate, visitor, *_drawing_parameters(), erased_first(), **stream)
        endpoint(self.audit, visitor, attacked, erased_first(), **stream)
        endpoint(self.cancel, visitor)


def _run_parameters() -> list[Api]:
    usual = FineTuneRequest()
    return [
        Api(None, TEXTS, "Concepts to erase"),
        Api(LEFT_OPEN, NUMBER, "Steps; -1 for what suits"),
        Api(LEFT_OPEN, NUMBER, "Learning rate; -1 for what suits"),
        Api(usual.trainable, TEXT, "What trains: last_blocks, projections, lora or all"),
        Api(usual.forgetting, TEXT, "Forgetting module: cosine or gradient_ascent"),
        Api(usual.seed, NUMBER, "Seed"),
    ]


def _drawing_parameters() -> list[Api]:
    usual = DrawRequest("")
    return [
        Api(None, TEXT, "Prompt"),
        Api(usual.pipeline, TEXT, "Pipeline"),
        Api(usual.seed, NUMBER, "Seed of the first picture"),
        Api(usual.count, NUMBER, "Pictures"),
        Api(LEFT_OPEN, NUMBER, "Steps; -1 for the pipeline's own"),
        Api(LEFT_OPEN, NUMBER, "Guidance; -1 for the pipeline's own"),
        Api(usual.edit, TEXT, "Edit: CCUP, CLIPErase, or all in force"),
        Api(usual.carry_method, TEXT, "How CCUP reaches the pipeline: ridge or pull_back"),
        Api(usual.judge, YES_OR_NO, "Draw and judge a batch instead"),
    ]


def _if_chosen(number: Number) -> Number | None:
    return None if number == LEFT_OPEN else number
