"""A background run on the screen: looked at until it has ended, told in a sentence and a bar, started and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import gradio as gr

from unlearn.ui.html.templates import fill

if TYPE_CHECKING:
    from PIL import Image

    from unlearn.jobs import Status

P = TypeVar("P")
R = TypeVar("R")

#: Seconds between two looks at a run.
POLL = 0.7


class Moving(NamedTuple):
    """A run on its way: what it is at, and how much of it is done."""

    text: str
    done: int = 0
    total: int = 1


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


def told(
    status: Status[P, R],
    moving: Callable[[P | None], Moving],
    *,
    stopped: str,
    done: str = "",
    preview: Sequence[Image.Image] = (),
) -> str:
    """A run as HTML: a sentence, and a bar while it moves.

    Args:
        status: the run.
        moving: words and bar of a run that has last reported this; None before its first report.
        stopped: what to say of one that was stopped.
        done: what to say of one that is done; without it, nothing is shown of that.
        preview: pictures under the bar of one that moves, before and after.
    """
    if status.state == "done" and not done:
        return ""
    texts = {"failed": status.message, "cancelled": stopped, "done": done}
    on_its_way: Moving | None = None
    if status.state == "waiting":
        text = f"In line: {status.place} before you{_wait(status)}." if status.place else "Starting."
    elif status.state in texts:
        text = texts[status.state]
    else:
        on_its_way = moving(status.progress[-1] if status.progress else None)
        text = on_its_way.text
    return fill("run", text=text, moving=on_its_way, preview=preview)


def _wait(status: Status[P, R]) -> str:
    """How long that may take, in words; nothing where no run has shown it yet."""
    if status.wait is None:
        return ""
    if status.wait <= 60:
        return ", less than a minute" if status.wait < 60 else ", about a minute"
    return f", about {round(status.wait / 60)} minutes"
