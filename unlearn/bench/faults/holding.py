"""Exhaustion from one address, which holds as many sockets, sessions, exports and runs as it can beside a visitor."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

from unlearn.bench.faults.tally import FaultTally
from unlearn.bench.faults.target import BYSTANDER, Target
from unlearn.bench.faults.wire import API, Wire
from unlearn.ui.server.sessions import EVERY

GREEDY = "127.0.7.77"
#: More sockets than an app with a limit of 256 open files can hold.
SOCKETS = 316
#: Seconds within which a page must respond.
AT_ONCE = 10.0


def _with_bytes(text: str) -> Callable[[Wire], socket.socket]:
    def opened(visitor: Wire) -> socket.socket:
        held = visitor.connect(timeout=5)
        held.sendall(text.replace("\n", "\r\n").encode())
        return held

    return opened


#: Kinds of sockets that are held open: silent, with half a header, as a page's heartbeat, as one waiting for events,
#: and with half a body.
IDLE: tuple[Callable[[Wire], socket.socket], ...] = (
    _with_bytes(""),
    _with_bytes("GET / HTTP/1.1\nHost: x\nX-Half: "),
    _with_bytes(f"GET {API}/heartbeat/held HTTP/1.1\nHost: x\n\n"),
    _with_bytes(f"GET {API}/queue/data?session_hash=held HTTP/1.1\nHost: x\n\n"),
    _with_bytes(f"POST {API}/call/erase HTTP/1.1\nHost: x\nContent-Type: application/json\nContent-Length: 999\n\n{{"),
)


def sockets(target: Target, tally: FaultTally, held: int) -> str:
    """Hold sockets open from the start; returns another visitor's response time in words."""
    visitor = target.visitor(BYSTANDER)
    with ExitStack() as stack:
        for number in range(held):
            tally.tried += 1
            try:
                stack.enter_context(IDLE[number % len(IDLE)](target.visitor(GREEDY)))
            except OSError:
                tally.refused += 1
        asked = time.monotonic()
        page = visitor.get("/", timeout=3 * AT_ONCE)
        took = time.monotonic() - asked
        tally.answer("the page of another visitor", page)
        if page.status != 200 or took > AT_ONCE:
            tally.fault(f"beside {held} idle sockets the page answered {page.status} after {took:.0f} s")
        if page.status == 200:
            tally.result("another visitor's /erase", visitor.call("erase", ["cat"]), owed=True)
    if not target.alive:
        tally.fault("idle sockets → the app ended")
    target.look_at_log(tally, "idle sockets")
    return f"after {took:.2f} s" if page.status == 200 else "with no page"


def sessions(target: Target, tally: FaultTally, opened: int) -> None:
    """Open sessions from one address; a session that began before them must still hold its erasure."""
    visitor = target.visitor(BYSTANDER)
    visitor.call("erase", ["dog"])
    for _ in range(opened):
        tally.result("session", target.visitor(GREEDY).call("cancel"))
    time.sleep(EVERY + 5)  # sessions are ended at this interval
    kept = visitor.call("zero_shot", ["cat", "dog"], None, [])
    seen = visitor.call("retrieve", "a dog") if kept.state != "complete" else kept
    wrong = (
        "" if seen.state == "complete" and seen.value[0]["forget"] == ["dog"] else f"the visit was ended: {seen.value}"
    )
    tally.result("the visit that began before", seen, wrong=wrong)
    target.look_at_log(tally, "sessions")


def exports(target: Target, tally: FaultTally, made: int) -> None:
    """Export whole models from one address; another visitor must still be able to export one."""
    for _ in range(made):
        greedy = target.visitor(GREEDY)
        greedy.call("erase", ["cat"])
        tally.result("/export", greedy.call("export", "open_clip", ""))
    visitor = target.visitor(BYSTANDER)
    visitor.call("erase", ["dog"])
    result = visitor.call("export", "open_clip", "")
    tally.result(f"another visitor's /export beside {made} of one address", result, owed=True)
    target.look_at_log(tally, "exports")


def runs(target: Target, tally: FaultTally, asked: int) -> int:
    """Request background runs from one address; returns the number accepted."""
    greedy = [target.visitor(GREEDY) for _ in range(asked)]
    results = [visitor.begin("cliperase", ["cat"], 500) for visitor in greedy]
    for result in results:
        tally.result("/cliperase", result)
    visitor = target.visitor(BYSTANDER)
    other = visitor.begin("cliperase", ["dog"], 1)
    tally.result(f"another visitor's /cliperase beside {asked} of one address", other, owed=True)
    for one in (*greedy, visitor):
        one.call("cancel")
    target.look_at_log(tally, "runs")
    return sum(result.state in {"running", "complete"} for result in results)
