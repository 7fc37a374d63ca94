"""The app in its own process, on loopback, for the duration of a measurement or a test."""

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

from unlearn.errors import JobError

#: Requests to loopback ignore the proxies of the environment.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
ROOT = Path(__file__).resolve().parents[2]
#: Arguments of the interpreter that start the app.
APP = ("-m", "unlearn", "app")
DEADLINE = 120.0


@contextmanager
def served(
    *arguments: str,
    python: str = sys.executable,
    folder: str = str(ROOT),
    log: Path = Path(os.devnull),
    reach: str = "127.0.0.1",
    open_files: str = "",
    **settings: str,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start the app and give its address, once it responds, and its process.

    Args:
        arguments: of the interpreter ``python``: a script, with the settings in its environment; the app by default.
        folder: the working directory.
        log: file for its output.
        reach: the host in its address.
        open_files: options of the shell's ``ulimit`` that limit its open files, such as "-n 256".
        settings: environment variables set in addition to this process's.

    Raises:
        JobError: the process ended, or did not respond in time.
    """
    port = free_port()
    address = f"http://{reach}:{port}"
    own = {"UNLEARN_PORT": str(port), "UNLEARN_HOST": "127.0.0.1", "PYTHONPATH": str(ROOT)}
    command = [python, *(arguments or APP)]
    if open_files:
        command = ["/bin/sh", "-c", f'ulimit {open_files} && exec "$@"', "sh", *command]
    with log.open("w") as errors:
        process = subprocess.Popen(  # noqa: S603  our own script
            command, cwd=folder, env=os.environ | own | settings, stdout=errors, stderr=errors
        )
    try:
        deadline = time.monotonic() + DEADLINE
        while not _answers(address):
            if process.poll() is not None:
                raise JobError(
                    f"The app ended with exit code {process.returncode} before it answered. {log.read_text()}"
                )
            if time.monotonic() > deadline:
                raise JobError(f"The app did not answer within {DEADLINE:.0f} seconds. {log.read_text()}")
            time.sleep(0.05)
        yield address, process
    finally:
        process.terminate()
        process.wait(timeout=DEADLINE)


def free_port() -> int:
    """Return a free port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(address: str) -> bool:
    try:
        with _DIRECT.open(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
