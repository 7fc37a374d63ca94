"""What the endpoints of the API share. Each is a method, whose docstring is its documentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.components.api_component import Api

from unlearn import app
from unlearn.app.session import ErasureRequest, Visitor
from unlearn.app.startup import Provider
from unlearn.ui.api.assistants import as_tool
from unlearn.ui.components import UNDECODED
from unlearn.ui.guard import for_programs

TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
TEXT, NUMBER, YES_OR_NO, OBJECT = ({"type": kind} for kind in ("string", "number", "boolean", "object"))


def endpoint(handler: Any, visitor: gr.State, *parameters: Any, **options: Any) -> None:
    """Add ``handler(visitor, *parameters)`` under its name; ``options`` are those of events.

    Nothing puts the state out: it is the same object, and gradio's tools would lose the result beside it. Parameters
    are plain carriers of JSON: a slider or a dropdown would turn a value away in its own words, not in the core's.
    """
    gr.on(
        [],
        as_tool(for_programs(handler), visitor),
        [visitor, *parameters],
        [Api(None, OBJECT, "Result")],
        api_name=handler.__name__,
        show_progress="hidden",
        **UNDECODED,
        **options,
    )


def erase_first(services: Provider, visitor: Visitor, forget: Sequence[str]) -> None:
    """Another erasure for a call that names one: all that an assistant does is one call."""
    if forget:
        app.requests.erase(services(), visitor, ErasureRequest(forget))


def erased_first() -> Api:
    """The parameter of :func:`erase_first`."""
    return Api([], TEXTS, "Concepts to erase first")
