"""Tools for assistants: they call the endpoints through gradio's MCP server, and each call is independent."""

from __future__ import annotations

import copy
import functools
import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from unlearn.app.session import Visitor


def as_tool(handler: Callable[..., Any], visitor: gr.State) -> Callable[..., Any]:
    """Return ``handler(visitor, ...)`` for an endpoint that is also a tool: each assistant call gets a new visitor.

    Gradio forwards the calls of all assistants through one client of its own, so they would share a session. The result
    is JSON as text, from which :mod:`unlearn.ui.api.tools` takes the images.
    """
    if inspect.isasyncgenfunction(handler):

        @functools.wraps(handler)
        async def streamed(caller: Visitor, *values: Any) -> AsyncIterator[Any]:
            with _acting(caller, visitor) as (acting, answer):
                async for result in handler(acting, *values):
                    yield answer(result)

        return streamed

    @functools.wraps(handler)
    def called(caller: Visitor, *values: Any) -> Any:
        with _acting(caller, visitor) as (acting, answer):
            return answer(handler(acting, *values))

    return called


@contextmanager
def _acting(caller: Visitor, visitor: gr.State) -> Iterator[tuple[Visitor, Callable[[Any], Any]]]:
    """Return the visitor for a call, and the function that converts its result."""
    request = LocalContext.request.get(None)
    if request is None or request.headers.get("x-gradio-user") != "mcp":
        yield caller, lambda result: result
        return
    own = copy.deepcopy(visitor.value)
    try:
        yield own, lambda result: json.dumps(result, ensure_ascii=False)
    finally:
        visitor.delete_callback(own)
