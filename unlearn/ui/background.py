"""A background run on the screen: looked at until it has ended, told in a sentence and a bar, started and stopped."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr
from gradio.blocks import Block

from unlearn.app.session import Visitor
from unlearn.app.startup import Provider
from unlearn.jobs import Progress, Status
from unlearn.ui.components import Given, Shown
from unlearn.ui.guard import on_screen
from unlearn.ui.html.templates import fill

if TYPE_CHECKING:
    from PIL import Image

    from unlearn.app.background import BackgroundRun

AnyProgress = TypeVar("AnyProgress", bound=Progress)
P = TypeVar("P")
R = TypeVar("R")

#: Seconds between two looks at a run.
POLL = 0.7
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
#: Shown of a run before its first report.
STARTING = Progress(text="Starting.")


async def poll(
    find: Callable[[], Status[P, R] | None], is_heard: Callable[[], bool] = lambda: True
) -> AsyncIterator[Status[P, R] | None]:
    """The run that ``find`` finds, now and whenever it has changed, until it has ended; None, once, without one.

    It ends sooner where nobody hears it any more.
    """
    shown: Status[P, R] | None = None
    while is_heard():
        status = find()
        if status is None or status != shown:
            yield status
        if status is None or status.ended:
            return
        shown = status
        await asyncio.sleep(POLL)


def button_states(status: Status[P, R] | None) -> tuple[Any, Any]:
    """Whether the button that starts a run can be pressed, and the one that stops it."""
    busy = status is not None and not status.ended
    return gr.update(interactive=not busy), gr.update(interactive=busy)


def status_html(
    status: Status[AnyProgress, Any], *, stopped: str, done: str = "", preview: Sequence[Image.Image] = ()
) -> str:
    """A run as HTML: a sentence, and a bar while it moves.

    Args:
        status: the run.
        stopped: what to say of one that was stopped.
        done: what to say of one that is done; without it, nothing is shown of that.
        preview: pictures under the bar of one that moves, before and after.
    """
    if status.state == "done" and not done:
        return ""
    texts = {"failed": status.message, "cancelled": stopped, "done": done}
    moving: Progress | None = None
    if status.state == "waiting":
        text = f"Queued: {status.queue_position} before you{_wait(status)}." if status.queue_position else STARTING.text
    elif status.state in texts:
        text = texts[status.state]
    else:
        moving = status.progress[-1] if status.progress else STARTING
        text = moving.text
    return fill("run", text=text, moving=moving, preview=preview)


def _wait(status: Status[P, R]) -> str:
    """How long that may take, in words; nothing where no run has shown it yet."""
    if status.wait is None:
        return ""
    if status.wait <= 60:
        return ", less than a minute" if status.wait < 60 else ", about a minute"
    return f", about {round(status.wait / 60)} minutes"


class RunPart(ABC):
    """A part of the page that starts, shows and stops one kind of background run."""

    services: Provider
    stop: gr.Button
    status: gr.HTML

    @property
    @abstractmethod
    def run(self) -> BackgroundRun[Any, Any, Any]:
        """The kind of run; asked for once somebody uses the page, not while it is built."""

    @property
    @abstractmethod
    def starts(self) -> Sequence[gr.Button]:
        """The buttons that start a run."""

    @property
    @abstractmethod
    def run_outputs(self) -> list[Any]:
        """The components that a run changes."""

    @abstractmethod
    def run_values(self, visitor: Visitor, status: Status[Any, Any] | None) -> Shown:
        """Values of ``run_outputs`` for a run as it is now, beside those of the buttons and of the status."""

    def preview(self, status: Status[Any, Any]) -> Sequence[Image.Image]:
        """Pictures under the bar of a run that moves, before and after."""
        return ()

    def updates_for(self, visitor: Visitor, status: Status[Any, Any] | None) -> Shown:
        """Values of ``run_outputs`` for a run as it is now."""
        start, stop = button_states(status)
        shown: Shown = {**dict.fromkeys(self.starts, start), self.stop: stop}
        if status is not None:
            run = self.run
            shown[self.status] = status_html(
                status, stopped=run.stopped, done=run.done(status), preview=self.preview(status)
            )
        return {**shown, **self.run_values(visitor, status)}

    async def watch(self, visitor: Visitor) -> AsyncIterator[Shown]:
        """Show the visitor's run until it has ended, on whichever page it was started."""
        async for status in poll(lambda: self.run.find(self.services(), visitor)):
            yield self.updates_for(visitor, status)

    def begin(self, visitor: Visitor, asked: Any) -> Shown:
        """Queue the run that ``asked`` describes."""
        return self.updates_for(visitor, self.run.start(self.services(), visitor, asked))

    def end(self, visitor: Visitor) -> Shown:
        """Stop the visitor's run within a step; what there was before stays."""
        return self.updates_for(visitor, self.run.cancel(self.services(), visitor))

    def start_on(
        self,
        triggers: Sequence[Any],
        visitor: gr.State,
        inputs: Sequence[Block],
        asked: Callable[[Given], Any],
    ) -> None:
        """On any of ``triggers``, start the run that ``asked`` makes of the values of ``inputs``, and watch it."""

        def started(given: Given) -> Shown:
            return self.begin(given[visitor], asked(given))

        gr.on(list(triggers), on_screen(started), {visitor, *inputs}, self.run_outputs, **QUIET).then(
            self.watch, visitor, self.run_outputs, concurrency_limit=None, **QUIET
        )

    def stop_on_click(self, visitor: gr.State) -> None:
        """The stop button does not wait for its turn."""
        self.stop.click(on_screen(self.end), visitor, self.run_outputs, queue=False, **QUIET)
