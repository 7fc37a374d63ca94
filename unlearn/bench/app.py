"""Response times of the app: start-up, the first result, a move of the slider, memory. Runs on loopback, bounded."""

from __future__ import annotations

import time
from statistics import median

import psutil
from gradio_client import Client

from unlearn.bench.serving import served
from unlearn.bench.table import Table, machine

#: Measured starts, after one unmeasured start that caches the files; moves of the slider in the last start.
STARTS, MOVES = 5, 31


def run(quick: bool = False) -> Table:
    """Start ``app.py`` in its own process several times, and call it through its API."""
    starts, moves = (1, 5) if quick else (STARTS, MOVES)
    pages, firsts, trips, resident = [], [], list[float](), 0.0
    for number in range(-1, starts):
        page, first, trips, resident = _use(moves if number == starts - 1 else 0)
        if number >= 0:
            pages.append(page)
            firsts.append(first)
    return Table(
        name="app",
        columns=("what", "measured", "aim"),
        rows=(
            ("page answers after process start", _seconds(pages), "5 s"),
            ("first erasure and its accuracy, after process start", _seconds(firsts), "10 s"),
            ("new strength → new accuracy through the API, round trip", f"{median(trips):.0f} ms", "150 ms"),
            ("resident memory after that", f"{resident:.0f} MiB", "1,536 MiB"),
        ),
        note=(
            f"`pocket`, one client on loopback; medians of {starts} starts (shortest to longest), files in the page "
            f"cache, and of {moves} moves; {machine()}."
        ),
    )


def _use(moves: int) -> tuple[float, float, list[float], float]:
    """Return seconds to the first page and to the first result, milliseconds of each move, and resident MiB."""
    start = time.perf_counter()
    with served() as (address, process):
        page = time.perf_counter() - start
        client = Client(address, verbose=False)
        client.predict(["cat"], api_name="/erase")
        first = time.perf_counter() - start
        trips = []
        for i in range(moves):
            moved = time.perf_counter()
            client.predict(["cat"], 0.5 + i / 100, api_name="/erase")
            trips.append(1e3 * (time.perf_counter() - moved))
        return page, first, trips, psutil.Process(process.pid).memory_info().rss / 2**20


def _seconds(values: list[float]) -> str:
    return f"{median(values):.1f} s ({min(values):.1f} to {max(values):.1f})"
