"""Hugging Face ZeroGPU: a GPU for the length of a run, which goes on in a process forked for it.

``spaces`` asks for three things that shape this file. What is decorated must be so when the server starts, so it is one
function of this module. A process forked for an earlier run may be used again, and knows nothing of this one: it then
ends, and another is forked. Of an exception only the name comes back, so a sentence of ours travels as a value.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from unlearn.errors import UnlearnError

P = TypeVar("P")
R = TypeVar("R")

ACTIVE = os.environ.get("SPACES_ZERO_GPU", "").lower() in {"1", "t", "true"}
#: The longest a run may take; the shorter, the sooner ZeroGPU finds a place for it.
SECONDS = 300


@dataclass(frozen=True)
class _Returned(Generic[R]):
    """A generator's result on its way between processes, where only what is yielded arrives."""

    value: R


@dataclass(frozen=True)
class _Raised:
    error: UnlearnError


@dataclass(frozen=True)
class _Stale:
    """The process was forked before this run was asked for."""


@dataclass(frozen=True)
class _Run:
    start: Callable[[], Generator[Any, None, Any]]
    modules: tuple[Any, ...]


#: What a forked process finds by its number: models cannot be pickled, but are there when it is forked.
_runs: dict[int, _Run] = {}
_numbers = itertools.count()


def _remote(number: int) -> Generator[Any, None, None]:
    run = _runs.get(number)
    if run is None:
        yield _Stale()
        os._exit(0)
    for module in run.modules:
        module.to("cuda")
    try:
        result = yield from run.start()
    except UnlearnError as error:
        yield _Raised(error)
    else:
        yield _Returned(result)


if ACTIVE:
    import spaces

    _remote = spaces.GPU(duration=SECONDS)(_remote)


def on_zero_gpu(start: Callable[[], Generator[P, None, R]], *modules: Any) -> Callable[[], Generator[P, None, R]]:
    """``start`` with a GPU for at most ``SECONDS`` where there is ZeroGPU, and ``start`` itself everywhere else.

    ``start`` is called in the forked process, with ``modules`` (models, pipelines) moved to the GPU there and nowhere
    else. What it yields and returns is pickled, so it must be plain values and CPU tensors.
    """
    return (lambda: _local(_Run(start, modules))) if ACTIVE else start


def _local(run: _Run) -> Generator[Any, None, Any]:
    number = next(_numbers)
    _runs[number] = run
    try:
        while True:
            stale = False
            try:
                for item in _remote(number):
                    if isinstance(item, _Returned):
                        return item.value
                    if isinstance(item, _Raised):
                        raise item.error
                    stale = isinstance(item, _Stale)
                    if not stale:
                        yield item
            except Exception:
                if not stale:
                    raise
            if not stale:
                raise RuntimeError("the forked process ended without a result")
    finally:
        del _runs[number]
