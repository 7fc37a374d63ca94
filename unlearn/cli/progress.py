"""A progress bar on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def progress_bar(*, quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Show what a function is doing, once it says so: yields what it takes as ``on_progress``."""
    bar: tqdm[None] | None = None
    part = ""

    def show(text: str, done: int, total: int) -> None:
        nonlocal bar, part
        what, _, more = text.partition(", ")
        if bar is None:
            bar = tqdm(disable=quiet)
        if what != part or done < bar.n:
            part = what
            bar.reset(total)  # a new part has a rate of its own
            bar.initial = bar.n = done  # what was done earlier says nothing of it
        bar.set_description(what, refresh=False)
        bar.set_postfix_str(more, refresh=False)
        bar.update(done - bar.n)

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
