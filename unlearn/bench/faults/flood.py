"""Flood from one address, which requests everything the app offers, while visitors from other addresses are served."""

from __future__ import annotations

import io
import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from PIL import Image

from unlearn.bench.faults.holding import IDLE
from unlearn.bench.faults.images import LABELS
from unlearn.bench.faults.tally import FaultTally
from unlearn.bench.faults.target import Target
from unlearn.bench.faults.wire import API, JSON, CallResult, Request, Wire
from unlearn.bench.serving import ROOT
from unlearn.data.gallery import bundled_gallery

FLOODER = "127.0.6.66"
#: Mean seconds that a visitor waits between an answer and the next request.
LOOKING = 15.0
#: Idle sockets that the flooding address opens, and seconds between two requests of each of its threads.
SOCKETS, PAUSE = 200, 0.05


@dataclass(frozen=True)
class Crowd:
    """Visitors, each with a different concept, and counts of the responses they get."""

    people: Sequence[tuple[Wire, str]]
    tally: FaultTally
    times: list[float] = field(default_factory=list)

    def visit(self, seconds: float) -> float:
        """Run all visitors for ``seconds``; returns the 95th percentile of their response times in seconds."""
        until = time.monotonic() + seconds
        with ThreadPoolExecutor(len(self.people)) as pool:
            stays = [pool.submit(self._stay, number, until) for number in range(len(self.people))]
        for stay in stays:
            stay.result()
        return float(np.percentile(self.times, 95)) if self.times else float("nan")

    def _stay(self, number: int, until: float) -> None:
        """Erase → classify → search, repeatedly."""
        visitor, concept = self.people[number]
        chance, image = random.Random(number), _image_of(concept)  # noqa: S311  not a secret
        time.sleep(chance.uniform(0, min(LOOKING, until - time.monotonic()) / 2))
        for name in itertools.cycle(("erase", "zero_shot", "retrieve")):
            asked = time.monotonic()
            if name == "erase":
                self._judge(name, concept, visitor.call(name, [concept]))
            elif name == "zero_shot":
                self._judge(
                    name, concept, visitor.call(name, [concept, *LABELS], visitor.uploaded("own.png", image), [])
                )
            else:
                self._judge(name, concept, visitor.call(name, f"a {concept}"))
            self.times.append(time.monotonic() - asked)
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, chance.expovariate(1 / LOOKING)))

    def _judge(self, name: str, concept: str, result: CallResult) -> None:
        """Check that a response is a result for this visitor's concept."""
        erased = result.value[0]["forget"] if result.state == "complete" else [concept]
        wrong = "" if erased == [concept] else f"{erased} instead of {concept}"
        self.tally.result(f"/{name} of {concept}", result, wrong=wrong, owed=True)


def attack(
    target: Target, crowds: tuple[FaultTally, FaultTally], floods: FaultTally, visitors: int, seconds: float
) -> tuple[float, float]:
    """Return the 95th percentile of the visitors' response times in seconds: alone, and while one address floods.

    Args:
        target: an app with its default limits.
        crowds: count the responses to visitors, alone and during the flood.
        floods: counts the responses to the flood.
        visitors: number of visitors, each with its own address.
        seconds: duration of each of the two measurements.
    """
    concepts = list(dict.fromkeys(image.concept for image in bundled_gallery().test))[:visitors]
    people = [(target.visitor(f"127.0.1.{n + 1}"), concept) for n, concept in enumerate(concepts)]
    alone = Crowd(people, crowds[0]).visit(seconds)
    target.look_at_log(crowds[0], "visitors alone")
    with _flooded(target, floods):
        beside = Crowd(people, crowds[1]).visit(seconds)
    target.look_at_log(floods, "the flood")
    return alone, beside


def _image_of(concept: str) -> bytes:
    file = io.BytesIO()
    next(image for image in bundled_gallery().test if image.concept == concept).load().save(file, "PNG")
    return file.getvalue()


@contextmanager
def _flooded(target: Target, tally: FaultTally) -> Iterator[None]:
    """Flood ``target`` during the block, from a process of lower priority: its computer would not be the app's."""
    command = [sys.executable, "-W", "ignore::RuntimeWarning", "-m", __name__, target.address]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as flooding:  # noqa: S603
        assert flooding.stdout is not None  # noqa: S101  it is a pipe
        flooding.stdout.readline()  # it has begun
        try:
            yield
        finally:
            counted, _ = flooding.communicate()
            tally.add(json.loads(counted))


def flood(address: str) -> None:
    """Request pages, sessions, uploads, exports and runs, and hold sockets open, until standard input ends."""
    tally, over = FaultTally("flood"), threading.Event()
    with ExitStack() as stack, ThreadPoolExecutor(2 * len(FLOODS)) as pool:
        for number in range(SOCKETS):
            try:
                stack.enter_context(IDLE[number % len(IDLE)](Wire(address, FLOODER)))
            except OSError:
                break  # the app already refuses connections
        for kind in FLOODS * 2:
            pool.submit(_keep_on, kind, address, tally, over)
        print("begun", flush=True)  # noqa: T201  its parent reads it
        sys.stdin.read()
        over.set()
    print(json.dumps(tally.counts()))  # noqa: T201


def _keep_on(kind: Callable[[Wire, FaultTally], None], address: str, tally: FaultTally, over: threading.Event) -> None:
    while not over.wait(PAUSE):
        try:
            kind(Wire(address, FLOODER), tally)
        except Exception as error:
            tally.fault(f"{kind.__name__} → {error!r}")


def _pages(visitor: Wire, tally: FaultTally) -> None:
    tally.answer("page", visitor.get("/"))


def _erasures(visitor: Wire, tally: FaultTally) -> None:
    tally.result("/erase", visitor.call("erase", ["cat", "dog", "pizza"]))


def _uploads(visitor: Wire, tally: FaultTally) -> None:
    tally.answer("upload", visitor.upload("large.png", bytes(9_000_000)))


@cache
def _large() -> bytes:
    """Return an image of 36 megapixels in a small file."""
    file = io.BytesIO()
    Image.new("RGB", (6000, 6000), (10, 200, 30)).save(file, "PNG")
    return file.getvalue()


def _large_images(visitor: Wire, tally: FaultTally) -> None:
    tally.result("/zero_shot", visitor.call("zero_shot", LABELS, visitor.uploaded("large.png", _large()), []))


def _exports(visitor: Wire, tally: FaultTally) -> None:
    visitor.call("erase", ["cat"])
    tally.result("/export", visitor.call("export", "open_clip", ""))


def _runs(visitor: Wire, tally: FaultTally) -> None:
    tally.result("/cliperase", visitor.begin("cliperase", ["cat"], 500))


def _closed_doors(visitor: Wire, tally: FaultTally) -> None:
    body = json.dumps({"data": [None, LABELS, visitor.uploaded("large.png", _large()), []]}).encode()
    request = Request("POST", f"{API}/api/zero_shot", JSON, body, forbidden=True)
    tally.answer("/api/zero_shot", visitor.send(request), forbidden=True)


FLOODS = (_pages, _erasures, _uploads, _large_images, _exports, _runs, _closed_doors)

if __name__ == "__main__":
    if sys.platform != "win32":
        os.nice(10)
    flood(sys.argv[1])
