"""Background runs and generators in tests: wait for one, or run it to its end."""

from __future__ import annotations

import time

from unlearn.jobs import Jobs
from unlearn.progress import Status, run_to_end


def ended(jobs: Jobs, key: str, seconds: float = 300) -> Status:
    """The job of ``key`` once it has ended."""
    last = time.monotonic() + seconds
    while not (status := jobs.find(key)).ended:
        assert time.monotonic() < last, status
        time.sleep(0.002)
    return status


def finish(run):
    """All that a run yields, and what it returns."""
    seen = []
    return seen, run_to_end(run, seen.append)
