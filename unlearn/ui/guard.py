"""Error handling of the screen and the API: every error becomes a sentence, never a traceback."""

from __future__ import annotations

import functools
import html
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from unlearn.app.session import PAYER
from unlearn.errors import UnlearnError, lacking
from unlearn.logs import log_error
from unlearn.ui.server.addresses import payer

UNEXPECTED = "Something went wrong on our side; nothing was changed. Try again, or try something else (error {})."


def sentence_of(error: Exception) -> str:
    """Return the sentence for ``error``: the app's errors carry one; others are logged, and their log id is shown."""
    if isinstance(error, UnlearnError):
        return str(error)
    return lacking(error) or UNEXPECTED.format(log_error(error))


def on_screen(handler: Callable[..., Any], otherwise: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Wrap ``handler`` for an event of the page: an error becomes a warning, and the screen stays unchanged.

    Args:
        handler: the event's function.
        otherwise: returns the values to show after an error, if the screen must change; gets the handler's arguments.
    """

    @functools.wraps(handler)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        _name_the_payer()
        try:
            return handler(*args, **kwargs)
        except Exception as error:
            # Toasts are HTML, and a sentence may quote the visitor's input.
            gr.Warning(html.escape(sentence_of(error)))
            return otherwise(*args, **kwargs) if otherwise else gr.skip()

    return guarded


def for_programs(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``handler`` for an API endpoint, which may stream: the client receives an error as its sentence."""
    if inspect.isasyncgenfunction(handler):

        @functools.wraps(handler)
        async def streamed(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            with _as_sentences():
                async for result in handler(*args, **kwargs):
                    yield result

        return streamed

    @functools.wraps(handler)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        with _as_sentences():
            return handler(*args, **kwargs)

    return guarded


def _name_the_payer() -> None:
    """Set the address that pays for the rest of this call; gradio runs every call in its own context."""
    request = LocalContext.request.get(None)
    client = getattr(request, "client", None)  # a request created in code has no client
    PAYER.set(payer(str(client.host)) if client else "")


@contextmanager
def _as_sentences() -> Iterator[None]:
    _name_the_payer()
    try:
        yield
    except Exception as error:
        raise gr.Error(sentence_of(error), print_exception=False) from None
