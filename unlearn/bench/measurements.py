"""Cache of slow measurements: each is written to a file as soon as it is made, and none is made twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from unlearn.errors import ParameterError
from unlearn.evaluation.missing import nan_to_none, or_nan
from unlearn.files.schemas import RefusedError, Schema, check, parse_json

#: Beginning of every line.
BEGINNING = '{"name": "'


class Measurements:
    """Measurements made so far, by name; stored in a file of one JSON object per line, if one is given.

    An incomplete line of an interrupted run is dropped, and measured again.
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
        """Return the result of ``measure`` for ``name``, from the file if it was measured before."""
        if name not in self._known:
            self._known[name] = measure()
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    # Starts a new line, whatever an interrupted run left.
                    file.write("\n" + json.dumps({"name": name, "measured": nan_to_none(self._known[name])}))
        return self._known[name]


def _is_cut_off(line: str) -> bool:
    """Return True if ``line`` is the incomplete or empty line of an interrupted run."""
    return not line.endswith("}") and line.startswith(BEGINNING[: len(line)])


class _Entry(Schema):
    name: str
    measured: dict[str, JsonValue]
