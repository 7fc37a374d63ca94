"""Apps whose logs are watched: a test in whose time one of them writes of an error fails."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unlearn.bench import serving

#: What gradio, uvicorn, asyncio and our own guard write of what nobody foresaw.
ERROR = re.compile(r"Traceback \(most recent call last\)|^ERROR\b|unexpected error|never retrieved", re.MULTILINE)

_read: dict[Path, int] = {}


@contextmanager
def served(*arguments: str, log: Path, **settings: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """:func:`unlearn.bench.serving.served`, with ``log`` watched."""
    _read[log] = 0
    with serving.served(*arguments, log=log, **settings) as running:
        yield running


def errors_since() -> list[str]:
    """What the apps have written of errors since the last look."""
    errors = []
    for log, seen in _read.items():
        text = log.read_text(errors="replace") if log.exists() else ""
        _read[log] = len(text)
        if found := ERROR.search(text[seen:]):
            errors.append(text[seen:][max(0, found.start() - 500) :][:4000])
    return errors
