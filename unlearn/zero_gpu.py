"""Hugging Face ZeroGPU: a GPU for the length of one call, which runs in a process forked for it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

P = TypeVar("P")
R = TypeVar("R")


@dataclass(frozen=True)
class _Returned(Generic[R]):
    """A generator's result on its way between processes, where only what is yielded arrives."""

    value: R


def on_zero_gpu(
    start: Callable[[], Generator[P, None, R]], *, seconds: int = 300
) -> Callable[[], Generator[P, None, R]]:
    """``start`` with a GPU for at most ``seconds`` where there is ZeroGPU, and ``start`` itself everywhere else.

    ``start`` is called in the forked process, so what it closes over (the model) need not be pickled; what it yields
    and returns is, so it must be plain values and CPU tensors.
    """
    try:
        import spaces
    except ImportError:
        return start

    @spaces.GPU(duration=seconds)  # type: ignore[untyped-decorator]
    def remote() -> Generator[P | _Returned[R], None, None]:
        result = yield from start()
        yield _Returned(result)

    def local() -> Generator[P, None, R]:
        for item in remote():
            if isinstance(item, _Returned):
                result: R = item.value
                return result
            yield item
        raise RuntimeError("the forked process ended without a result")

    return local
