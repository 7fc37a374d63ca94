from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from unlearn import memory

ROOT = Path(__file__).parents[1]
FREEING = """
import psutil
from unlearn.memory import give_back
resident = psutil.Process().memory_info().rss
held = [bytes(50_000) for _ in range(4_000)]
kept = held[::40]
del held
before = psutil.Process().memory_info().rss
give_back()
print(before - resident, psutil.Process().memory_info().rss - resident)
"""
#: Eight threads, alive at once, each of which wants memory.
THREADS = """
import ctypes, sys, threading
from unlearn.memory import share_heaps
if sys.argv[1:]:
    share_heaps()
wants = threading.Barrier(9)
def work():
    held = ctypes.CDLL(None).malloc(100_000)
    wants.wait()
    wants.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
[thread.start() for thread in threads]
wants.wait()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = libc.fdopen(1, b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fflush(ctypes.c_void_p(out))
wants.wait()
"""
needs_glibc = pytest.mark.skipif(memory._glibc() is None, reason="only glibc keeps what is freed")


@needs_glibc
def test_threads_share_a_few_heaps():
    def heaps(*asked: str) -> int:
        command = [sys.executable, "-c", THREADS, *asked]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.count("<heap ")

    assert heaps() > memory.HEAPS
    assert heaps("asked") <= memory.HEAPS


def test_the_cycles_of_visits_are_found_among_all_that_is_loaded():
    class Visit:
        def __init__(self) -> None:
            self.itself = self

    gc.disable()
    try:
        gone = weakref.ref(Visit())
        assert gone() is not None
        memory.give_back()
        assert gone() is None
    finally:
        gc.enable()


@needs_glibc
def test_what_was_freed_is_given_back():
    ended = subprocess.run([sys.executable, "-c", FREEING], cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = map(int, ended.stdout.split())
    assert before > 100_000_000
    assert after < 30_000_000


def test_where_there_is_no_glibc_nothing_is_done(monkeypatch):
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    memory._glibc.cache_clear()
    memory.give_back()
    assert memory._glibc() is None
    memory._glibc.cache_clear()
