"""A measured table, and the README block it is written to."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from unlearn.errors import InvalidInputError


@dataclass(frozen=True)
class Table:
    """Rows of one measurement, with the machine, seed and n they hold for in ``note``."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str

    def markdown(self) -> str:
        """A GitHub table followed by its note."""
        lines = [self.columns, tuple("---" for _ in self.columns), *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{self.note}"


def machine() -> str:
    """The machine in words: processor, cores, torch."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file() and (found := re.search(r"model name\s*: (.+)", cpuinfo.read_text(encoding="utf-8"))):
        model = found[1]
    return f"{model}, {os.cpu_count()} cores, torch {version('torch')}"


def write_into(page: Path, tables: list[Table]) -> None:
    """Replace the blocks ``<!-- bench:NAME -->`` … ``<!-- /bench:NAME -->`` of ``page``.

    Raises:
        InvalidInputError: the page has no block of that name.
    """
    text = page.read_text(encoding="utf-8")
    for table in tables:
        start, end = f"<!-- bench:{table.name} -->", f"<!-- /bench:{table.name} -->"
        if start not in text or end not in text:
            raise InvalidInputError(f"{page.name} has no block {start} … {end}.")
        head, rest = text.split(start, 1)
        tail = rest.split(end, 1)[1]
        text = f"{head}{start}\n{table.markdown()}\n{end}{tail}"
    page.write_text(text, encoding="utf-8")
