"""Shared parts of the API's endpoints. Each endpoint is a method, whose docstring is its documentation."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import gradio as gr
from gradio.components.api_component import Api

from unlearn import app
from unlearn.app.asked import ErasureRequest
from unlearn.app.session import Visitor
from unlearn.app.startup import Provider
from unlearn.options import Option, options_of
from unlearn.ui.api.assistants import as_tool
from unlearn.ui.components import UNDECODED
from unlearn.ui.guard import for_programs

TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
TEXT, NUMBER, YES_OR_NO, OBJECT = ({"type": kind} for kind in ("string", "number", "boolean", "object"))


SCHEMAS: dict[type[Any], dict[str, Any]] = {str: TEXT, int: NUMBER, float: NUMBER, bool: YES_OR_NO, list: TEXTS}

#: Options that every call must pass.
REQUIRED = ("forget", "prompt")


def endpoint(handler: Any, visitor: gr.State, *parameters: Any, asks: type[Any] | None = None, **options: Any) -> None:
    """Register ``handler(visitor, *parameters)`` under its name; ``options`` are those of gradio events.

    The state is not an output: it is the same object, and gradio's tools would lose the result beside it. Parameters
    are plain JSON components: a slider or a dropdown would reject a value with gradio's message instead of the core's.

    With ``asks``, a dataclass of options, the handler is ``handler(visitor, request, *parameters)``. Every option is
    a parameter, described where the docstring says ``{options}``.
    """
    known = options_of(asks).values() if asks else ()
    tool = as_tool(for_programs(_with_request(handler, asks) if asks else handler), visitor)
    if asks:
        tool.__doc__ = _documented(handler, known)
        tool.__signature__ = _signature(handler, known)  # type: ignore[attr-defined]
    gr.on(
        [],
        tool,
        [visitor, *map(_parameter, known), *parameters],
        [Api(None, OBJECT, "Result")],
        api_name=handler.__name__,
        show_progress="hidden",
        **UNDECODED,
        **options,
    )


def _parameter(known: Option) -> Api:
    """Return the parameter for an option; gradio requires one without a value, unless its argument has a default."""
    required = known.name in REQUIRED
    default = list(known.default) if isinstance(known.default, tuple) else known.default
    label = f"{known.label}: {known.values}" if known.values else known.label
    return Api(None if required else default, SCHEMAS[known.kind], label)


def _with_request(handler: Any, asks: type[Any]) -> Any:
    """Return ``handler(visitor, *values, *parameters)``, which builds the request from the first values."""
    count = len(options_of(asks))
    if inspect.isasyncgenfunction(handler):

        @functools.wraps(handler)
        async def streamed(visitor: Visitor, *values: Any) -> AsyncIterator[Any]:
            async for result in handler(visitor, asks(*values[:count]), *values[count:]):
                yield result

        return streamed

    @functools.wraps(handler)
    def called(visitor: Visitor, *values: Any) -> Any:
        return handler(visitor, asks(*values[:count]), *values[count:])

    return called


def _signature(handler: Any, known: Iterable[Option]) -> inspect.Signature:
    """Return ``handler``'s signature with a parameter for each option in place of its request."""
    visitor, _, *more = inspect.signature(handler).parameters.values()
    kind, required = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
    asked = [inspect.Parameter(o.name, kind, default=required if o.name in REQUIRED else o.default) for o in known]
    return inspect.Signature([visitor, *asked, *more])


def _documented(handler: Any, known: Iterable[Option]) -> str:
    """Return ``handler``'s docstring with a line for each option."""
    lines = []
    for option in known:
        allowed = f". One of {option.values}" if option.choices else f", {option.range}" if option.range else ""
        automatic = "; null for automatic" if option.default is None else ""
        lines.append(f"{option.name}: {option.help[0].upper()}{option.help[1:]}{allowed}{automatic}.")
    return (inspect.getdoc(handler) or "").replace("{options}", "\n    ".join(lines))


def erase_first(services: Provider, visitor: Visitor, forget: Sequence[str]) -> None:
    """Erase ``forget`` if it names any concepts, so that one call is enough for an assistant."""
    if forget:
        app.requests.erase(services(), visitor, ErasureRequest(forget))


def erased_first() -> Api:
    """Return the parameter of :func:`erase_first`."""
    return Api([], TEXTS, "Concepts to erase first")
