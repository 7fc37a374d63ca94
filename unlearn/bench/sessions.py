"""Leak test for sessions: opens and ends thousands on a running server's own state, and measures what remains."""

from __future__ import annotations

import gc
from itertools import count
from typing import Any

import psutil
from PIL import Image

from unlearn import app
from unlearn.app.asked import ErasureRequest
from unlearn.app.session import Visitor
from unlearn.app.startup import Lazy, Provider
from unlearn.bench.serving import free_port
from unlearn.bench.table import Table, machine
from unlearn.config import Settings
from unlearn.data.gallery import Gallery, GalleryImage
from unlearn.ui.page import build_demo
from unlearn.ui.server.server import start
from unlearn.ui.server.sessions import IDLE, MOST, Visits

VISITS, AT_ONCE = 10_000, MOST
QUICK_VISITS, QUICK_AT_ONCE = 200, 50


def run(quick: bool = False) -> Table:
    """Each visitor gets the page's components, an erasure, and a picture of 512 × 512 pixels; then the visit ends."""
    visits, at_once = (QUICK_VISITS, QUICK_AT_ONCE) if quick else (VISITS, AT_ONCE)
    settings = Settings(host="127.0.0.1", port=free_port())
    services = Lazy(lambda: app.loading.load_services(settings))
    demo = build_demo(services)
    start(demo, services, settings)
    hours = count(0.0, 2 * IDLE)
    ending = Visits(demo, services, MOST, clock=lambda: next(hours))
    try:
        before, open_now, after = _resident(), 0.0, 0.0
        for first in range(-at_once, visits, at_once):
            if first == 0:  # caches and the allocator are full
                before = _resident()
            for number in range(first, first + at_once):
                _visit(demo, services, str(number))
            open_now = _resident()
            ending.end()  # the first call notices the visits, the second ends them
            ending.end()
            after = _resident()
    finally:
        demo.close(verbose=False)
    return Table(
        name="sessions",
        columns=("resident memory", "MiB"),
        rows=(
            (f"after {at_once:,} visits had come and gone", f"{before:,.0f}"),
            (f"with {at_once:,} open", f"{open_now:,.0f}"),
            (f"after {visits:,} more had come and gone", f"{after:,.0f} ({after - before:+,.0f})"),
        ),
        note=f"{run.__doc__} {machine()}.",
    )


def _visit(demo: Any, services: Provider, name: str) -> None:
    state = demo.state_holder[name]
    key = next(key for key, block in demo.blocks.items() if isinstance(getattr(block, "value", None), Visitor))
    visitor = state[key]
    image = Image.new("RGB", (512, 512))
    visitor.change(
        erasure=services().erase(visitor.session, ErasureRequest(["cat"])),
        image=Gallery("picture", (GalleryImage("cat", "a cat", lambda: image),)),
    )
    state[key] = visitor


def _resident() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss / 2**20)
