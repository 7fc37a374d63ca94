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
#: A large buffer that is freed teaches glibc to cut the next from its heap, where what lies behind them keeps them.
LEAVING_GAPS = """
import sys
import psutil
from unlearn.memory import leave_few_gaps
if sys.argv[1:]:
    leave_few_gaps()
bytearray(24 << 20)
resident = psutil.Process().memory_info().rss
held = [(bytearray(8 << 20), bytes(50_000)) for _ in range(20)]
kept = [small for _, small in held]
del held
print(psutil.Process().memory_info().rss - resident)
"""
needs_glibc = pytest.mark.skipif(memory._glibc() is None, reason="only glibc keeps what is freed")


@needs_glibc
def test_large_buffers_leave_no_gaps():
    def kept(*asked: str) -> int:
        command = [sys.executable, "-c", LEAVING_GAPS, *asked]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)

    assert kept() > 100_000_000
    assert kept("asked") < 20_000_000


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
