"""Giving memory back to the system that was freed long ago.

glibc keeps what is freed for the next request, and torch's and Pillow's large buffers, freed by other threads than made
them, leave gaps: after minutes of mixed visits half of the process is such memory. Other C libraries give it back.
Visits leave cycles besides, which Python looks for the less often the more the app has loaded.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from functools import lru_cache

#: Glibc's number for the option of the most heaps.
M_ARENA_MAX = -8
#: Heaps for all threads; up to eight a core otherwise, each with the gaps that its threads leave there.
HEAPS = 2


def share_heaps() -> None:
    """Let threads share a few heaps; for a process that lives long, before it starts threads."""
    if libc := _glibc():
        libc.mallopt(M_ARENA_MAX, HEAPS)


def keep_for_good() -> None:
    """Leave all there is out of later searches for cycles: what an app has loaded stays, and is most of it."""
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Return what nobody uses any more, and is still held, to the system."""
    gc.collect()
    if libc := _glibc():
        libc.malloc_trim(0)


@lru_cache(maxsize=1)
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") else None
