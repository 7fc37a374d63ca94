"""Load test with many visitors at once: each erases its own concept, classifies an image and searches, repeatedly."""

from __future__ import annotations

import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from gradio_client import Client, handle_file

from unlearn.bench.serving import served
from unlearn.bench.table import Table, machine
from unlearn.data.gallery import bundled_gallery

VISITORS, SECONDS = 50, 120.0
QUICK_VISITORS, QUICK_SECONDS = 5, 5.0
PATIENCE = 120.0
#: Seconds in which the app releases freed memory.
UNTIL_GIVEN_BACK = 65.0
REQUESTS = ("erase", "zero_shot", "retrieve")


@dataclass
class Visitors:
    """Visitors who start together; records every response time in seconds, and every error."""

    start: threading.Barrier
    seconds: float
    times: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in REQUESTS})
    errors: list[str] = field(default_factory=list)
    mixed_up: list[str] = field(default_factory=list)

    def visit(self, client: Any, concept: str, image: Path) -> None:
        """Erase → zero-shot → retrieve until the time is over; every response must be for this visitor's concept."""
        arguments: dict[str, tuple[Any, ...]] = {
            "erase": ([concept],),
            "zero_shot": ([], handle_file(image)),
            "retrieve": (f"a {concept}",),
        }
        self.start.wait()
        until = time.perf_counter() + self.seconds
        while time.perf_counter() < until:
            for name in REQUESTS:
                asked = time.perf_counter()
                try:
                    answer = client.submit(*arguments[name], api_name=f"/{name}").result(timeout=PATIENCE)
                except Exception as error:
                    self.errors.append(f"{name}: {error}")
                    continue
                self.times[name].append(time.perf_counter() - asked)
                if any(name != concept for name in answer["forget"]):
                    self.mixed_up.append(f"{name}: {answer['forget']} instead of {concept}")


class Resident:
    """Resident memory of a process without its image decoders, sampled during the block."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self.seen: list[float] = []

    def __enter__(self) -> Resident:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watcher.join()

    def __str__(self) -> str:
        return (
            f"{self.seen[0]:.0f} MiB resident before, {max(self.seen):.0f} at most, {self.seen[-1]:.0f} a while after"
        )

    def _watch(self) -> None:
        while True:
            self.seen.append(self._process.memory_info().rss / 2**20)
            if self._ended.wait(0.2):
                break


def run(quick: bool = False) -> Table:
    """Run visitors against ``app.py`` in its own process, on loopback."""
    visitors, seconds = (QUICK_VISITORS, QUICK_SECONDS) if quick else (VISITORS, SECONDS)
    # All visitors come from one address.
    app = served(UNLEARN_REQUESTS_PER_MINUTE="1000000")
    with app as (address, process), tempfile.TemporaryDirectory() as folder:
        crowd = Visitors(threading.Barrier(visitors), seconds)
        with Resident(process.pid) as resident:
            lasted = _let_in(crowd, address, _drawings(Path(folder), visitors))
            time.sleep(0 if quick else UNTIL_GIVEN_BACK)
    answered = sum(map(len, crowd.times.values()))
    return Table(
        name="load",
        columns=("request", "answered", "median", "95th percentile"),
        rows=tuple((f"`/{name}`", str(len(times)), *_spread(times)) for name, times in crowd.times.items()),
        note=f"{visitors} visitors at once for {seconds:.0f} s, each with a concept of its own: "
        f"{answered / lasted:.1f} requests a second, {len(crowd.errors)} errors, {len(crowd.mixed_up)} answers with "
        f"another visitor's concept; {resident}. `pocket`; "
        f"app and visitors on one machine, {machine()}.",
    )


def _drawings(folder: Path, n: int) -> dict[str, Path]:
    """Save an image of each of ``n`` concepts as a file."""
    images = {image.concept: image for image in bundled_gallery().test}
    files = {}
    for number, concept in enumerate(list(images)[:n]):
        files[concept] = folder / f"{number}.png"
        images[concept].load().save(files[concept])
    return files


def _let_in(crowd: Visitors, address: str, drawings: dict[str, Path]) -> float:
    """Start a visitor for each of ``drawings``; returns the seconds until all were done."""
    clients = [Client(address, verbose=False, httpx_kwargs={"timeout": PATIENCE}) for _ in drawings]
    clients[0].predict(["cat"], api_name="/erase")  # loads the model before the time starts
    start = time.perf_counter()
    with ThreadPoolExecutor(len(drawings)) as pool:
        for client, (concept, image) in zip(clients, drawings.items(), strict=True):
            pool.submit(crowd.visit, client, concept, image)
    lasted = time.perf_counter() - start
    for client in clients:
        client.close()
    return lasted


def _spread(times: list[float]) -> tuple[str, str]:
    """Format the median and the 95th percentile."""
    if not times:
        return "–", "–"
    middle, high = np.percentile(times, [50, 95])
    return f"{middle:.2f} s", f"{high:.2f} s"
