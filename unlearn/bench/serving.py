"""The app in a process of its own, on loopback, for as long as a measurement takes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

from unlearn.errors import JobError

APP = Path(__file__).resolve().parents[2] / "app.py"
DEADLINE = 120.0


@contextmanager
def served() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of ``app.py`` once its page answers, and its process.

    Raises:
        JobError: it ended, or did not answer in time.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    # Here all visitors come from one address.
    own = {"UNLEARN_PORT": str(port), "UNLEARN_HOST": "127.0.0.1", "UNLEARN_REQUESTS_PER_MINUTE": "1000000"}
    environment = os.environ | own
    process = subprocess.Popen(  # noqa: S603  our own app
        [sys.executable, str(APP)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(url, process)
        yield url, process
    finally:
        process.terminate()
        process.wait(timeout=20)


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.perf_counter() + DEADLINE
    while time.perf_counter() < deadline:
        if process.poll() is not None:
            raise JobError(f"The app ended with exit code {process.returncode} before it answered.")
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  loopback
                if answer.status == 200:
                    return
        except (URLError, TimeoutError, ConnectionError):
            time.sleep(0.05)
    raise JobError(f"The app did not answer within {DEADLINE:.0f} seconds.")
