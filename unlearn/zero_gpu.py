"""Hugging Face ZeroGPU: runs that get a GPU for their duration, in a forked process.

``spaces`` imposes three constraints. Decorated functions must exist when the server starts, so this module decorates a
single function. A process that was forked for an earlier run may be reused and does not know the new run: it then
exits, and another one is forked. Only the name of an exception comes back, so an :class:`UnlearnError` is sent as a
value.
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
#: Maximum duration of a run; ZeroGPU schedules shorter runs sooner.
SECONDS = 300


@dataclass(frozen=True)
class _Returned(Generic[R]):
    """The result of a generator, sent between processes as its last item because only yielded values arrive."""

    value: R


@dataclass(frozen=True)
class _Raised:
    error: UnlearnError


@dataclass(frozen=True)
class _Stale:
    """Sign that the process was forked before this run was requested."""


@dataclass(frozen=True)
class _Run:
    start: Callable[[], Generator[Any, None, Any]]
    modules: tuple[Any, ...]


#: Runs by number, for the forked process: it inherits the models, which cannot be pickled.
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
    """Return ``start`` with a GPU for at most ``SECONDS`` if ZeroGPU is present, else ``start`` itself.

    ``start`` is called in the forked process, and ``modules`` (models, pipelines) are moved to the GPU in that process
    only. Its yielded and returned values are pickled, so they must be plain values and CPU tensors.
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
