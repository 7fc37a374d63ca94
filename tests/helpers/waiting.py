"""For tests of background runs: wait for one."""

from __future__ import annotations

import time

from unlearn.jobs import Jobs
from unlearn.progress import Status


def ended(jobs: Jobs, key: str, seconds: float = 300) -> Status:
    """The job of ``key`` once it has ended."""
    last = time.monotonic() + seconds
    while not (status := jobs.find(key)).ended:
        assert time.monotonic() < last, status
        time.sleep(0.002)
    return status
