"""Background runs on the screen: polled until they end, shown as a sentence and a bar, started and stopped."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import gradio as gr
from gradio.blocks import Block

from unlearn.app.session import Visitor
from unlearn.app.startup import Provider
from unlearn.progress import Progress, Status
from unlearn.ui.components import QUIET, Given, Shown
from unlearn.ui.guard import on_screen
from unlearn.ui.html.templates import fill

if TYPE_CHECKING:
    from PIL import Image

    from unlearn.app.runs.background import BackgroundRun

AnyProgress = TypeVar("AnyProgress", bound=Progress)
P = TypeVar("P")
R = TypeVar("R")

#: Seconds between two polls of a run.
POLL = 0.7
#: Sentences shown at once, by the browser itself, after a click, and until the run's first report or its end.
STARTING, STOPPING = "Starting …", "Stopping …"


async def poll(
    find: Callable[[], Status[P, R] | None], is_heard: Callable[[], bool] = lambda: True
) -> AsyncIterator[Status[P, R] | None]:
    """Yield the run that ``find`` returns, at first and after each change, until it ends; without a run, yield None.

    It stops early once ``is_heard`` returns False.
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
    """Return updates that enable the start button or the stop button."""
    busy = status is not None and not status.ended
    return gr.update(interactive=not busy), gr.update(interactive=busy)


def status_html(
    status: Status[AnyProgress, Any], *, stopped: str, done: str = "", preview: Sequence[Image.Image] = ()
) -> str:
    """Return a run as HTML: a sentence, and a progress bar while it runs.

    Args:
        status: the run.
        stopped: the text for a stopped run.
        done: the text for a finished run; "" shows nothing.
        preview: images under the bar of an active run, before and after.
    """
    if status.state == "done" and not done:
        return ""
    texts = {"failed": status.message, "cancelled": stopped, "done": done}
    if status.state == "waiting":
        text = f"Queued: {status.queue_position} before you{_wait(status)}." if status.queue_position else STARTING
    elif status.state in texts:
        text = texts[status.state]
    elif status.stopping:
        text = STOPPING
    else:
        text = " ".join(filter(None, [status.progress[-1].text if status.progress else STARTING, _left(status)]))
    return fill(
        "run",
        text=text,
        moving=not status.ended,
        fraction=status.fraction,
        preview=preview if status.state == "running" else (),
    )


def _left(status: Status[P, R]) -> str:
    """Return the time that the whole run still takes, in words, or "" without an estimate."""
    if status.seconds_left is None:
        return ""
    seconds = max(1, status.seconds_left)
    return f"About {seconds} s left." if seconds < 90 else f"About {round(seconds / 60)} minutes left."


def _wait(status: Status[P, R]) -> str:
    """Return the expected waiting time in words, or "" if no run has given an estimate yet."""
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
        """The kind of run; read only once the page is in use, not while it is built."""

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
        """Return values of ``run_outputs`` for the current state of a run, except the buttons and the status."""

    def preview(self, status: Status[Any, Any]) -> Sequence[Image.Image]:
        """Return the images under the bar of an active run, before and after."""
        return ()

    def updates_for(self, visitor: Visitor, status: Status[Any, Any] | None) -> Shown:
        """Return values of ``run_outputs`` for the current state of a run."""
        start, stop = button_states(status)
        shown: Shown = {**dict.fromkeys(self.starts, start), self.stop: stop}
        if status is not None:
            run = self.run
            shown[self.status] = status_html(
                status, stopped=run.stopped, done=run.done(status), preview=self.preview(status)
            )
        return {**shown, **self.run_values(visitor, status)}

    async def watch(self, visitor: Visitor) -> AsyncIterator[Shown]:
        """Show the visitor's run until it has ended, no matter which page started it."""
        async for status in poll(lambda: self.run.find(self.services(), visitor)):
            yield self.updates_for(visitor, status)

    def begin(self, visitor: Visitor, asked: Any) -> Shown:
        """Queue the run that ``asked`` describes."""
        return self.updates_for(visitor, self.run.start(self.services(), visitor, asked))

    def end(self, visitor: Visitor) -> Shown:
        """Stop the visitor's run within one step; the last result stays."""
        return self.updates_for(visitor, self.run.cancel(self.services(), visitor))

    def start_on(
        self,
        triggers: Sequence[Any],
        visitor: gr.State,
        inputs: Sequence[Block],
        asked: Callable[[Given], Any],
    ) -> None:
        """Bind ``triggers`` to start the run that ``asked`` makes of the values of ``inputs``, and show it."""

        def started(given: Given) -> Shown:
            return self.begin(given[visitor], asked(given))

        self._said_at_once(triggers, STARTING)
        gr.on(list(triggers), on_screen(started), {visitor, *inputs}, self.run_outputs, **QUIET).then(
            self.watch, visitor, self.run_outputs, concurrency_limit=None, **QUIET
        )

    def stop_on_click(self, visitor: gr.State) -> None:
        """Bind the stop button to stop the run at once, outside the queue."""
        self._said_at_once([self.stop.click], STOPPING)
        self.stop.click(on_screen(self.end), visitor, self.run_outputs, concurrency_limit=None, **QUIET)

    def _said_at_once(self, triggers: Sequence[Any], text: str) -> None:
        """Let the browser show ``text`` as the status on ``triggers``, without waiting for the server."""
        shown = json.dumps(fill("run", text=text, moving=True, fraction=0.0, preview=()))
        gr.on(list(triggers), None, None, self.status, js=f"() => {shown}", **QUIET)
