"""The endpoints that take their time: background runs, told as they go. Docstrings are the API's documentation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr
from gradio.components.api_component import Api

from unlearn.missing import or_none
from unlearn.pictures import data_uri
from unlearn.ui.api import NUMBER, TEXT, TEXTS, YES_OR_NO, endpoint, erase_first, erased_first
from unlearn.ui.api_audit import audit_endpoint
from unlearn.ui.background import followed
from unlearn.ui.loading import Provider
from unlearn.ui.session import DrawRequest, FineTuneRequest, Visitor

if TYPE_CHECKING:
    from unlearn.ui.generation import DrawStatus
    from unlearn.ui.runs import RunStatus

Number = TypeVar("Number", int, float)
#: A number that is left to what suits: JSON's null would say that the parameter was forgotten.
LEFT_OPEN = -1


def register_runs(services: Provider, visitor: gr.State) -> None:
    """Add ``/cliperase``, ``/generate``, ``/audit`` and ``/cancel``."""

    async def cliperase(  # noqa: PLR0917  its arguments are the endpoint's
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
            State, place in line, step, losses and accuracies (null where not measured), seconds and seconds left. Once
            done, the later calls of the same client compare "CLIPErase" too; a client that leaves leaves it going.
        """
        from unlearn.ui.runs import run_of, start_run

        request = FineTuneRequest(forget, _if_chosen(steps), _if_chosen(learning_rate), trainable, forgetting, seed)
        await asyncio.to_thread(lambda: start_run(services(), visitor, request))
        async for status in followed(lambda: run_of(services(), visitor)):
            yield _run_report(status)

    async def generate(  # noqa: PLR0917  its arguments are the endpoint's
        visitor: Visitor,
        prompt: str,
        pipeline: str,
        seed: int,
        count: int,
        steps: int,
        guidance: float,
        edit: str,
        way: str,
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
            State and step; once done, the pictures as PNG data URIs (but for an assistant) and what is seen in them, or
            the rates of the batch.
        """
        from unlearn.ui.generation import drawing_of, start_drawing

        await asyncio.to_thread(erase_first, services, visitor, forget)
        request = DrawRequest(prompt, pipeline, seed, _if_chosen(steps), _if_chosen(guidance), count, edit, way, judge)
        start_drawing(services(), visitor, request)
        async for status in followed(lambda: drawing_of(services(), visitor)):
            yield _drawing_report(status)

    def cancel(visitor: Visitor) -> dict[str, Any]:
        """Stop this session's run, drawing and audit within a step; the edit in force and the pictures stay.

        Returns:
            The state of the run, of the drawing and of the audit.
        """
        from unlearn.ui.audits import stop_audit
        from unlearn.ui.generation import stop_drawing
        from unlearn.ui.runs import stop_run

        status, drawing = stop_run(services(), visitor), stop_drawing(services(), visitor)
        others = {"drawing": drawing, "audit": stop_audit(services(), visitor)}
        return _run_report(status) | {what: str(o.state) if o else "none" for what, o in others.items()}

    attacked = Api("", TEXT, "Erased concept to attack; the first if empty")
    _stream(audit_endpoint(services), visitor, attacked, erased_first())
    run = FineTuneRequest()
    endpoint(cancel, [visitor])
    _stream(
        cliperase,
        visitor,
        Api(None, TEXTS, "Concepts to erase"),
        Api(LEFT_OPEN, NUMBER, "Steps; -1 for what suits"),
        Api(LEFT_OPEN, NUMBER, "Learning rate; -1 for what suits"),
        Api(run.trainable, TEXT, "What trains: last_blocks, projections, lora or all"),
        Api(run.forgetting, TEXT, "Forgetting module: cosine or gradient_ascent"),
        Api(run.seed, NUMBER, "Seed"),
    )
    _stream(
        generate,
        visitor,
        Api(None, TEXT, "Prompt"),
        Api("pocket", TEXT, "Pipeline"),
        Api(0, NUMBER, "Seed of the first picture"),
        Api(4, NUMBER, "Pictures"),
        Api(LEFT_OPEN, NUMBER, "Steps; -1 for the pipeline's own"),
        Api(LEFT_OPEN, NUMBER, "Guidance; -1 for the pipeline's own"),
        Api("", TEXT, "Edit: CCUP, CLIPErase, or all in force"),
        Api("ridge", TEXT, "How CCUP reaches the pipeline: ridge or pull_back"),
        Api(False, YES_OR_NO, "Draw and judge a batch instead"),
        erased_first(),
    )


def _stream(handler: Any, visitor: gr.State, *parameters: Api) -> None:
    """A generator waits without holding a thread, so any number may."""
    endpoint(handler, [visitor, *parameters], concurrency_limit=None)


def _if_chosen(number: Number) -> Number | None:
    return None if number == LEFT_OPEN else number


def _run_report(status: RunStatus | None) -> dict[str, Any]:
    """A run's state for a program: numbers that are not there are null."""
    if status is None:
        return {"state": "none"}
    last = or_none(asdict(status.progress[-1])) if status.progress else {}
    return {"state": str(status.state), "place": status.place, "message": status.message, **last}


def _drawing_report(status: DrawStatus | None) -> dict[str, Any]:
    """A drawing's state for a program; pictures and what is seen in them once it is done."""
    if status is None:
        return {"state": "none"}
    from unlearn.diffusion.records import report
    from unlearn.ui.generation import Drawn, Rates

    told: dict[str, Any] = {"state": str(status.state), "place": status.place, "message": status.message}
    if status.progress:
        told |= {"step": status.progress[-1].step, "steps": status.progress[-1].steps}
    result = status.result
    if isinstance(result, Drawn):
        told |= report(result.pair, result.carried, result.sights)
        told |= {"forget": list(result.erased), "notices": list(result.notices)}
        told |= {side: [data_uri(p) for p in getattr(result.pair, side)] for side in ("before", "after")}
    elif isinstance(result, Rates):
        told["rates"] = asdict(result)
    return told
