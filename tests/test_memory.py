from __future__ import annotations

import subprocess
import sys
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


@pytest.mark.skipif(memory._glibc() is None, reason="only glibc keeps what is freed")
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
