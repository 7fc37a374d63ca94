"""What a command prints: its result on stdout, and all else (notices, progress, errors) on stderr."""

from __future__ import annotations

import argparse
import json as json_format
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from unlearn.progress import Progress


@dataclass(frozen=True)
class Result:
    """Result of a command.

    Attributes:
        text: what people read.
        data: the object that ``--json`` prints: numbers as fractions, null for those that were not measured.
    """

    text: str
    data: Mapping[str, Any]

    def print(self, *, json: bool) -> None:
        """Print the result on stdout."""
        print(json_format.dumps(self.data, ensure_ascii=False) if json else self.text)


def notice_printer(arguments: argparse.Namespace) -> Callable[[str], None]:
    """Return a function that prints a notice on stderr, unless ``--quiet`` was given."""
    return lambda notice: None if arguments.quiet else print(notice, file=sys.stderr)


@contextmanager
def progress_bar(doing: str, *, quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """Show a progress bar from a function's first report; yields the function to pass as ``on_progress``.

    Args:
        doing: text before the bar.
        quiet: show nothing; neither is anything shown where stderr is not a terminal.
    """
    bar: tqdm[None] | None = None

    def show(progress: Progress) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(desc=doing, disable=True if quiet else None)
        if bar.disable:
            return
        if progress.total != bar.total or progress.done < bar.n:
            bar.reset(progress.total)  # a new part of the work has its own rate
            bar.initial = bar.n = progress.done  # earlier work must not count towards the rate
        bar.set_postfix_str(progress.short, refresh=False)
        bar.update(progress.done - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
