"""Assistants call the endpoints as tools, through gradio's MCP server: every call stands for itself."""

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
    """``handler(visitor, ...)`` for an endpoint that is a tool too: an assistant's call gets a visitor of its own.

    Gradio passes the calls of all assistants on through one client of its own, whose session they would share. What an
    assistant is answered is JSON to be read, so pictures are left out of it.
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
    """Whose session a call is made in, and how its results are put."""
    request = LocalContext.request.get(None)
    if request is None or request.headers.get("x-gradio-user") != "mcp":
        yield caller, lambda result: result
        return
    own = copy.deepcopy(visitor.value)
    try:
        yield own, lambda result: json.dumps(_legible(result), ensure_ascii=False)
    finally:
        visitor.delete_callback(own)


def _legible(value: Any) -> Any:
    """``value`` without the data URIs in it: a hundred thousand letters that say nothing."""
    if isinstance(value, dict):
        return {key: _legible(item) for key, item in value.items() if not _is_picture(item)}
    return [_legible(item) for item in value if not _is_picture(item)] if isinstance(value, list | tuple) else value


def _is_picture(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("data:image/")
