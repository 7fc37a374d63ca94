"""Measurements that may take long: each is written down as soon as it is made, and none is made twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from unlearn.errors import ParameterError
from unlearn.evaluation.missing import nan_to_none, or_nan
from unlearn.files.schemas import RefusedError, Schema, check, parse_json

#: Of every line.
BEGINNING = '{"name": "'


class Measurements:
    """What was measured so far, by name; kept in a file of one JSON object a line, where one is given.

    A line that was cut off when a run was ended is dropped, and measured again.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known: dict[str, dict[str, Any]] = {}
        if path is not None and path.is_file():
            for line in path.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
                if _is_cut_off(line):
                    continue
                try:
                    entry = check(_Entry, parse_json(line))
                except RefusedError as error:
                    raise ParameterError(
                        f"“{path}” is no file of measurements ({error}); name the one of an earlier run, or a new one."
                    ) from error
                self._known[entry.name] = or_nan(entry.measured)

    def get(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What ``measure`` gave for ``name``, now or before."""
        if name not in self._known:
            self._known[name] = measure()
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    # A line of its own, whatever the last run left behind.
                    file.write("\n" + json.dumps({"name": name, "measured": nan_to_none(self._known[name])}))
        return self._known[name]


def _is_cut_off(line: str) -> bool:
    """Whether ``line`` is what a run that was ended left of one, perhaps nothing."""
    return not line.endswith("}") and line.startswith(BEGINNING[: len(line)])


class _Entry(Schema):
    name: str
    measured: dict[str, JsonValue]
