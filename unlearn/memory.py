"""Giving memory back to the system that was freed long ago.

glibc keeps what is freed for the next request, and torch's and Pillow's large buffers, freed by other threads than made
them, leave gaps: after minutes of mixed visits half of the process is such memory. Other C libraries give it back.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache


def give_back() -> None:
    """Return what is freed and still held to the system."""
    if libc := _glibc():
        libc.malloc_trim(0)


@lru_cache(maxsize=1)
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") else None
