"""Return of freed memory to the operating system.

glibc keeps freed memory for later requests, and the large buffers of torch and Pillow, freed by other threads than
those that allocated them, leave gaps: after minutes of mixed use, half of the process is such memory. Other C libraries
return it. Visits also leave reference cycles, which Python collects less often the more objects the app has loaded.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from functools import lru_cache

#: glibc's number of the option for the maximum number of heaps.
M_ARENA_MAX = -8
#: Heaps for all threads. glibc's default is up to eight per core, and each heap has its own gaps.
HEAPS = 2


def share_heaps() -> None:
    """Let threads share a few heaps; to be called in a long-lived process before it starts threads."""
    if libc := _glibc():
        libc.mallopt(M_ARENA_MAX, HEAPS)


def keep_for_good() -> None:
    """Exclude all current objects from later garbage collections: loaded models and modules stay anyway."""
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Return memory that is freed but still held to the operating system."""
    gc.collect()
    if libc := _glibc():
        libc.malloc_trim(0)


@lru_cache(maxsize=1)
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "malloc_trim") else None
