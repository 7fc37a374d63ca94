"""How the app answers: start-up, the first result, a move of the slider, memory. On loopback, bounded."""

from __future__ import annotations

import time
from statistics import median

import psutil

from unlearn.bench.serving import served
from unlearn.bench.table import Table, machine


def run(quick: bool = False) -> Table:
    """Start ``app.py`` in a process of its own and use it as a program would."""
    from gradio_client import Client

    start = time.perf_counter()
    with served() as (url, process):
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
