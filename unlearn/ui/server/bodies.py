"""Validation of request bodies before gradio: bounded JSON, with names, numbers and types that the page knows.

Gradio itself detects most of these errors only by an exception in the middle of an event.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import gradio as gr
from gradio.components.api_component import Api

from unlearn.errors import InvalidInputError
from unlearn.ui.server.routes import SESSION

#: Bounds of a body: bytes, levels of nesting, total number of values.
LONGEST, DEEPEST, MOST_VALUES = 4_000_000, 24, 200_000
#: The largest integer that every JSON parser here can write again.
LARGEST = 2**53

TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "number": (int, float),
    "integer": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}
IN_WORDS = {
    "string": "a text",
    "number": "a number",
    "integer": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
}


class BadRequestError(InvalidInputError):
    """Rejection of an invalid request; the message says what is allowed, ``status`` is that of the response."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


def read_json(body: bytes) -> Any:
    """Parse the JSON in ``body``.

    Raises:
        BadRequestError: the body is not JSON, holds a number or text that cannot be passed on, or exceeds the bounds.
    """
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except BadRequestError:
        raise
    except RecursionError:
        raise BadRequestError(f"The JSON is nested too deeply; at most {DEEPEST} levels are allowed.") from None
    except ValueError:
        raise BadRequestError("The request is not valid JSON in UTF-8.", 400) from None
    _require_bounds(value)
    return value


def _refuse_constant(name: str) -> Any:
    raise BadRequestError(f"{name} is not JSON; numbers must be finite.")


def _require_bounds(value: Any) -> None:
    level, depth, seen = [value], 0, 0
    while level:
        depth, seen = depth + 1, seen + len(level)
        if depth > DEEPEST:
            raise BadRequestError(f"The JSON is nested too deeply; at most {DEEPEST} levels are allowed.")
        if seen > MOST_VALUES:
            raise BadRequestError(f"The JSON holds too much; at most {MOST_VALUES:,} values are allowed.")
        below: list[Any] = []
        for item in level:
            _require_plain(item)
            if isinstance(item, dict):
                below += item.keys()
                below += item.values()
            elif isinstance(item, list):
                below += item
        level = below


def _require_plain(item: Any) -> None:
    if isinstance(item, str):
        if "\0" in item or not _is_text(item):
            raise BadRequestError("A text holds what is no character: a zero byte, or half of a surrogate pair.")
    elif isinstance(item, float) and not math.isfinite(item):
        raise BadRequestError("A number is too large; numbers must be finite.")
    elif isinstance(item, int) and abs(item) > LARGEST:
        raise BadRequestError(f"A whole number is too large; at most {LARGEST:,} is allowed.")


def _is_text(item: str) -> bool:
    try:
        item.encode()
    except UnicodeEncodeError:
        return False
    return True


def mismatch(value: Any, schema: Mapping[str, Any]) -> str:
    """Return the type that ``schema`` requires, in words, if ``value`` does not match it; "" if it does.

    None always matches: the endpoint replaces it with its default.
    """
    kind = schema.get("type", "")
    if value is None or kind not in TYPES:
        return ""
    fits = isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
    items = schema.get("items", {})
    if fits and not (kind == "array" and any(item is None or mismatch(item, items) for item in value)):
        return ""
    return "a list of texts" if items.get("type") == "string" else IN_WORDS[kind]


class Bodies:
    """Validator of the bodies that a page's routes accept."""

    def __init__(self, demo: gr.Blocks) -> None:
        self._demo = demo

    @cached_property
    def _named(self) -> dict[str, Any]:
        return {fn.api_name: fn for fn in self._demo.fns.values() if fn.api_name and fn.api_visibility != "private"}

    @cached_property
    def _parameters(self) -> dict[str, list[dict[str, Any]]]:
        endpoints = self._demo.get_api_info()["named_endpoints"]
        return {name.removeprefix("/"): endpoint["parameters"] for name, endpoint in endpoints.items()}

    def event(self, path: Mapping[str, str], body: Any) -> tuple[dict[str, Any], Any]:
        """Validate a request for an event, from the page or a program; return the body to pass on and the event.

        Args:
            path: the variable parts of the request's path: a name, or nothing for the page's own events.
            body: the request's JSON.

        Raises:
            BadRequestError: the event does not exist, or does not accept this body.
        """
        body = _object(body)
        session = _text(body, "session_hash", SESSION)
        if "name" in path or "name_v2" in path:
            fn, data = self._call(path, body)
            passed = {"data": data, "session_hash": session}
            return passed, fn
        fn = self._demo.fns.get(_whole(body, "fn_index"))
        if fn is None or fn.fn is None:  # some events run in the browser only
            raise BadRequestError("There is no event of this fn_index on the page.", 404)
        if session is None:
            raise BadRequestError("session_hash is missing; it must be 1 to 64 letters and digits.")
        trigger = body.get("trigger_id")
        # Loading is triggered by the page itself.
        if trigger is not None and _whole(body, "trigger_id") not in (self._demo._id, *self._demo.blocks):
            raise BadRequestError("There is no component of this trigger_id on the page.")
        data = body.get("data")
        if isinstance(data, list) and len(data) <= len(fn.inputs) and self._named.get(str(fn.api_name)) is fn:
            data = self._with_states(fn, data)
        if not isinstance(data, list) or len(data) != len(fn.inputs):
            raise BadRequestError(f"data must be a list of {len(fn.inputs)} values for this event.")
        event_data = body.get("event_data")
        return {
            "data": data,
            "session_hash": session,
            "fn_index": fn._id,
            "trigger_id": trigger,
            "event_data": event_data,
        }, fn

    def _call(self, path: Mapping[str, str], body: dict[str, Any]) -> tuple[Any, list[Any]]:
        name = path.get("name") or path["name_v2"]
        fn = self._named.get(name)
        if fn is None:
            raise BadRequestError(f"There is no endpoint “{name}”; /gradio_api/info lists those there are.", 404)
        taken = [block for block in fn.inputs if not block.skip_api]
        data = self._by_name(name, body) if "name_v2" in path else self._completed(name, body.get("data", []))
        if isinstance(data, list) and len(data) == len(fn.inputs) != len(taken):
            data = [value for value, block in zip(data, fn.inputs, strict=True) if not block.skip_api]
        if not isinstance(data, list) or len(data) != len(taken):
            raise BadRequestError(f"data must be a list of {len(taken)} values for /{name}.")
        for value, block in zip(data, taken, strict=True):
            wanted = mismatch(value, block.api_info()) if isinstance(block, Api) else ""
            if wanted:
                raise BadRequestError(f"/{name}: “{block.label}” must be {wanted}.")
        return fn, data

    def _completed(self, name: str, data: Any) -> Any:
        """Return the first values of a call with defaults for the others."""
        names = [parameter["parameter_name"] for parameter in self._parameters.get(name, [])]
        if not isinstance(data, list) or len(data) >= len(names):
            return data
        return self._by_name(name, dict(zip(names, data, strict=False)))

    def _with_states(self, fn: Any, data: list[Any]) -> list[Any]:
        """Return the values of a call by the JavaScript client, with defaults.

        That client sends null for states and for values that are left out.
        """
        states = {index for index, block in enumerate(fn.inputs) if block.skip_api}
        given = [value for index, value in enumerate(data) if index not in states]
        known = self._parameters.get(fn.api_name, [])
        if len(given) > len(known):
            return data
        filled = [
            parameter["parameter_default"] if value is None and parameter["parameter_has_default"] else value
            for value, parameter in zip(given, known, strict=False)
        ]
        values = iter(self._completed(fn.api_name, filled))
        return [None if index in states else next(values, None) for index in range(len(fn.inputs))]

    def _by_name(self, name: str, body: dict[str, Any]) -> list[Any]:
        """Return the values of ``body`` in order, with defaults for missing ones."""
        known = self._parameters.get(name, [])
        names = [parameter["parameter_name"] for parameter in known]
        given = {key: value for key, value in body.items() if key != "session_hash"}
        if unknown := set(given) - set(names):
            raise BadRequestError(
                f"/{name} has no parameter “{min(unknown)[:50]}”; it has {', '.join(names) or 'none'}."
            )
        data = []
        for parameter in known:
            key = parameter["parameter_name"]
            if key not in given and not parameter["parameter_has_default"]:
                raise BadRequestError(f"/{name} needs a value for “{key}”.")
            data.append(given.get(key, parameter["parameter_default"]))
        return data

    def cancel(self, body: Any) -> dict[str, Any]:
        """Validate a request that cancels an event, and return the body to pass on.

        Raises:
            BadRequestError: the request does not name the event.
        """
        body = _object(body)
        passed = {key: _text(body, key, SESSION) for key in ("session_hash", "event_id")}
        if None in passed.values():
            raise BadRequestError("session_hash and event_id must say which event of whom ends.")
        return passed | {"fn_index": _whole(body, "fn_index")}

    def reset(self, body: Any) -> dict[str, Any]:
        """Validate a request that resets an event, and return the body to pass on.

        Raises:
            BadRequestError: the request does not name the event.
        """
        event_id = _text(_object(body), "event_id", SESSION)
        if event_id is None:
            raise BadRequestError("event_id must say which event begins again.")
        return {"event_id": event_id}


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise BadRequestError("The request must be a JSON object.")
    return body


def _text(body: Mapping[str, Any], key: str, pattern: str) -> str | None:
    value = body.get(key)
    if value is not None and not (isinstance(value, str) and re.fullmatch(pattern, value)):
        raise BadRequestError(f"{key} must be 1 to 64 letters and digits.")
    return value


def _whole(body: Mapping[str, Any], key: str) -> int:
    value = body.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRequestError(f"{key} must be a whole number.")
    return value
