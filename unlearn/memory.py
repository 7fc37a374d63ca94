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

#: glibc's numbers for two of its options: the most heaps, and bytes from which a buffer is mapped by itself.
M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3
#: Heaps for all threads, of which each would get one of its own with the gaps that it leaves there.
HEAPS = 2
#: The bytes above. A buffer so large leaves no gap; glibc's own bound rises to 32 MB with what it sees freed.
MAPPED = 4 << 20


def leave_few_gaps() -> None:
    """Keep buffers where they can be given back; for a process that lives long, before it starts threads."""
    if libc := _glibc():
        libc.mallopt(M_ARENA_MAX, HEAPS)
        libc.mallopt(M_MMAP_THRESHOLD, MAPPED)


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
