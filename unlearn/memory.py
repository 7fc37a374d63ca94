"""Giving memory back to the system that was freed long ago.

glibc keeps what is freed for the next request, and torch's and Pillow's large buffers, freed by other threads than made
them, leave gaps: after minutes of mixed visits half of the process is such memory. Other C libraries give it back.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache

#: Of ``mallopt``: how many areas threads may allocate from, each of which keeps gaps of its own.
ARENAS_OPTION, ARENAS = -8, 4


def keep_less() -> None:
    """Let the threads that start from now on share a few areas of memory."""
    if libc := _glibc():
        libc.mallopt(ARENAS_OPTION, ARENAS)


def give_back() -> None:
    """Return what is freed and still held to the system."""
    if libc := _glibc():
        libc.malloc_trim(0)


@lru_cache(maxsize=1)
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None
