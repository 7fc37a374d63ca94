"""A background run on the screen: looked at until it has ended, told in a sentence and a bar, started and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from html import escape
from typing import Any, TypeVar

import gradio as gr

from unlearn.jobs import Progress, Status

AnyProgress = TypeVar("AnyProgress", bound=Progress)
P = TypeVar("P")
R = TypeVar("R")

#: Seconds between two looks at a run.
POLL = 0.7
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


def status_html(status: Status[AnyProgress, Any], *, stopped: str, done: str = "", below: str = "") -> str:
    """A run as HTML: a sentence, and a bar while it moves.

    Args:
        status: the run.
        stopped: what to say of one that was stopped.
        done: what to say of one that is done; without it, nothing is shown of that.
        below: HTML under the bar of one that moves.
    """
    if status.state == "done" and not done:
        return ""
    texts = {"failed": status.message, "cancelled": stopped, "done": done}
    shown = ""
    if status.state == "waiting":
        text = f"Queued: {status.queue_position} before you{_wait(status)}." if status.queue_position else STARTING.text
    elif status.state in texts:
        text = texts[status.state]
    else:
        last = status.progress[-1] if status.progress else STARTING
        text = last.text
        shown = f'<progress value="{last.done}" max="{last.total}"></progress>{below}'
    return f'<div class="u-run" role="status"><p>{escape(text)}</p>{shown}</div>'


def _wait(status: Status[P, R]) -> str:
    """How long that may take, in words; nothing where no run has shown it yet."""
    if status.wait is None:
        return ""
    if status.wait <= 60:
        return ", less than a minute" if status.wait < 60 else ", about a minute"
    return f", about {round(status.wait / 60)} minutes"
