"""Measurements that may take long: each is written down as soon as it is made, and none is made twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Measurements:
    """What was measured so far, by name; kept in a file of one JSON object a line, where one is given.

    A line that was cut off when a run was ended is dropped, and measured again.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known: dict[str, dict[str, Any]] = {}
        if path is not None and path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue
                self._known[entry["name"]] = entry["measured"]

    def get(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What ``measure`` gave for ``name``, now or before."""
        if name not in self._known:
            self._known[name] = measure()
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    # A line of its own, whatever the last run left behind.
                    file.write("\n" + json.dumps({"name": name, "measured": self._known[name]}))
        return self._known[name]
