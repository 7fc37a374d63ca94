"""A progress bar on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from unlearn.jobs import Progress


@contextmanager
def progress_bar(doing: str, *, quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """Show a progress bar from a function's first report; yields the function to pass as ``on_progress``.

    Args:
        doing: text before the bar.
        quiet: whether to show nothing.
    """
    bar: tqdm[None] | None = None

    def show(progress: Progress) -> None:
        nonlocal bar
        if bar is None:
            bar = tqdm(desc=doing, disable=quiet)
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
