"""A measured table, and the block of a document that it is written to."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from unlearn import late
from unlearn.errors import InvalidInputError


@dataclass(frozen=True)
class Table:
    """Rows of one measurement; ``note`` gives the machine, seed and n.

    Attributes:
        failures: errors that were found; the command fails if there are any.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str
    failures: tuple[str, ...] = ()

    def markdown(self) -> str:
        """Return a GitHub table followed by its note."""
        lines = [self.columns, tuple("---" for _ in self.columns), *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{self.note}"


def machine() -> str:
    """Describe the machine: processor, cores, torch."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file() and (found := re.search(r"model name\s*: (.+)", cpuinfo.read_text(encoding="utf-8"))):
        model = found[1]
    return f"{model}, {os.cpu_count()} cores, torch {version('torch')}"


def threads() -> str:
    """Describe how many threads torch uses on this machine."""
    n = late.torch.get_num_threads()
    return f"{n} thread{'' if n == 1 else 's'}"


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use a single thread inside the block."""
    before = late.torch.get_num_threads()
    late.torch.set_num_threads(1)
    try:
        yield
    finally:
        late.torch.set_num_threads(before)


def write_into(pages: Sequence[Path], tables: Sequence[Table]) -> None:
    """Replace the blocks ``<!-- bench:NAME -->`` … ``<!-- /bench:NAME -->``, each in the one of ``pages`` that has it.

    Raises:
        InvalidInputError: none of the pages has a block of that name; nothing is written then.
    """
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    for table in tables:
        start, end = f"<!-- bench:{table.name} -->", f"<!-- /bench:{table.name} -->"
        page = next((page for page, text in texts.items() if start in text and end in text), None)
        if page is None:
            raise InvalidInputError(f"No block {start} … {end} in {', '.join(page.name for page in pages)}.")
        head, rest = texts[page].split(start, 1)
        tail = rest.split(end, 1)[1]
        texts[page] = f"{head}{start}\n{table.markdown()}\n{end}{tail}"
    for page, text in texts.items():
        page.write_text(text, encoding="utf-8")
