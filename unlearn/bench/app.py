"""How the app answers: start-up, the first result, a move of the slider, memory. On loopback, bounded."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from statistics import median
from urllib.error import URLError

import psutil

from unlearn.bench.table import Table, machine
from unlearn.errors import JobError

APP = Path(__file__).resolve().parents[2] / "app.py"
DEADLINE = 120.0


def run(quick: bool = False) -> Table:
    """Start ``app.py`` in a process of its own and use it as a program would."""
    from gradio_client import Client

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    environment = os.environ | {"UNLEARN_PORT": str(port), "UNLEARN_HOST": "127.0.0.1"}
    start = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603  our own app
        [sys.executable, str(APP)], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(url, process)
        page = time.perf_counter() - start
        client = Client(url, verbose=False)
        client.predict(["cat"], api_name="/erase")
        first = time.perf_counter() - start
        moves = []
        for i in range(5 if quick else 31):
            moved = time.perf_counter()
            client.predict(["cat"], 0.5 + i / 100, api_name="/erase")
            moves.append(1e3 * (time.perf_counter() - moved))
        resident = psutil.Process(process.pid).memory_info().rss / 2**20
    finally:
        process.terminate()
        process.wait(timeout=20)
    return Table(
        name="app",
        columns=("what", "measured", "aim"),
        rows=(
            ("page answers after process start", f"{page:.1f} s", "5 s"),
            ("first erasure and its accuracy, after process start", f"{first:.1f} s", "10 s"),
            ("new strength → new accuracy through the API, round trip, median", f"{median(moves):.0f} ms", "150 ms"),
            ("resident memory after that", f"{resident:.0f} MiB", "1,536 MiB"),
        ),
        note=f"`pocket`, one client on loopback, files in the page cache; {machine()}.",
    )


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
