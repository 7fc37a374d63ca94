"""Attacks on a running app, on loopback and bounded: measures its responses and its use of memory and files."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from unlearn.bench.faults import edits, flood, fuzz, holding, images, indexes, leftovers
from unlearn.bench.faults.tally import FaultTally
from unlearn.bench.faults.target import BYSTANDER, Taken, Target, TargetWatch, attacked
from unlearn.bench.faults.wire import Wire
from unlearn.bench.table import Table, machine

#: Concept that a visitor erases beside the fuzzed requests: no response to those may contain it.
ERASED_BY_ANOTHER = "zugzwang"
#: MiB above the start that an app may still hold at the end, and seconds that it has to release memory.
GIVEN_BACK, SECONDS_TO_REST = 150.0, 150.0
COLUMNS = (
    "attack", "tried", "served", "4xx or a sentence", "5xx or no sentence", "tracebacks and errors in the log",
    "wrong or foreign", "MiB before", "at most", "after", "open files before", "at most", "after",
)  # fmt: skip


@dataclass(frozen=True)
class Sizes:
    """Size of each attack."""

    requests: int = 3_000
    images: int = 400
    edits: int = 400
    indexes: int = 100
    visitors: int = 50
    seconds: float = 60.0
    sessions: int = 1_100
    exports: int = 110
    runs: int = 12
    limits: tuple[str, ...] = ("-Sn 256", "-n 256")
    signals: tuple[str, ...] = ("terminate", "kill")
    rest: float = SECONDS_TO_REST


QUICK = Sizes(300, 42, 40, 22, 5, 5.0, 0, 0, 0, ("-n 256",), ("kill",))


class FaultReport:
    """Rows of the table in the order of the attacks, and the notes below it."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, ...]] = []
        self.said: list[str] = []
        self.failures: list[str] = []

    @contextmanager
    def row(self, name: str, target: Target | None = None, rest: float = 0.0) -> Iterator[FaultTally]:
        """Count one attack, on ``target`` if it is an attack on a running app."""
        tally = FaultTally(name)
        if target is None:
            yield tally
            self.add(tally)
            return
        with TargetWatch(target) as watch:
            yield tally
        aim = watch.before.resident + GIVEN_BACK
        after = target.settled(aim, rest)
        if rest and after.resident > aim:
            tally.fault(f"{after.resident - watch.before.resident:+,.0f} MiB are held after {rest:.0f} s")
        self.add(tally, watch.before, watch.most, after)

    def add(self, tally: FaultTally, *taken: Taken) -> None:
        counts = (tally.tried, tally.served, tally.refused, tally.broken, tally.tracebacks, tally.wrong)
        resident = [f"{one.resident:,.0f}" for one in taken] or ["–"] * 3
        files = [str(one.files) for one in taken] or ["–"] * 3
        self.rows.append((tally.name, *(f"{n:,}" for n in counts), *resident, *files))
        self.failures += [f"{tally.name}: {example}" for example in tally.examples]


def run(quick: bool = False) -> Table:
    """Attack apps in processes of their own; every attack is drawn with seed 0."""
    sizes, report, load, begun = QUICK if quick else Sizes(), FaultReport(), os.getloadavg()[0], time.monotonic()
    form = "short form, `--quick`" if quick else "full form"
    with report.row("damaged index folders") as tally:
        indexes.attack(tally, sizes.indexes)
    for attack in (_hostile_input, _flooded, _held, _left):
        attack(sizes, report)
    return Table(
        name="faults",
        columns=COLUMNS,
        rows=tuple(report.rows),
        note=" ".join(
            (
                f"The {form}, in {(time.monotonic() - begun) / 60:.0f} minutes.",
                *report.said,
                f"`pocket`; app and attackers on one machine, {machine()}, {load:.1f} others ready to run before.",
            )
        ),
        failures=tuple(report.failures),
    )


def _hostile_input(sizes: Sizes, report: FaultReport) -> None:
    """Send malformed requests, images and edits to one app, and check that its state is unchanged."""
    with attacked(limited=False) as target:
        _warm_up(target)
        before = target.takes()
        with report.row("fuzzed requests", target) as tally:
            _fuzz(target, tally, sizes.requests)
        with report.row("damaged pictures", target) as tally:
            images.attack(target, tally, sizes.images)
        with report.row("damaged edit files", target) as tally:
            edits.attack(target, tally, sizes.edits)
        after = target.settled(before.resident + GIVEN_BACK, sizes.rest)
        report.said.append(
            f"The app of the first three took {before.resident:,.0f} MiB before and {after.resident:,.0f} after all of "
            f"them ({after.resident - before.resident:+,.0f}; aim: at most +{GIVEN_BACK:.0f})."
        )


def _warm_up(target: Target) -> None:
    """Request everything once, so that lazily loaded objects are loaded."""
    visitor = target.visitor()
    for name, content in images.damaged(6):
        visitor.call("zero_shot", images.LABELS, visitor.uploaded(name, content), [])
    visitor.call("import", visitor.uploaded("edit.safetensors", edits.exported(visitor)))
    for name, data in (("retrieve", ("a cat",)), ("trade_off", ()), ("link", ())):
        visitor.call(name, *data)
    target.new_log()


def _fuzz(target: Target, tally: FaultTally, n: int) -> None:
    sender, witness = target.visitor(), target.visitor(BYSTANDER)
    tally.secrets = (ERASED_BY_ANOTHER.encode(),)
    witness.call("erase", [ERASED_BY_ANOTHER])
    for number, request in enumerate(fuzz.Fuzzer(fuzz.Doors.of(sender), sender.session).requests(n)):
        answer = sender.send(request)
        said = answer.json()
        if request.method == "POST" and isinstance(said, dict) and "event_id" in said:
            result = sender.follow(answer, to_the_end=False)
            tally.event(request, result)
            if result.state == "running":
                sender.call("cancel")
        else:
            tally.answer(request, answer, forbidden=request.forbidden)
        if answer.status == 429:
            tally.fault("a request was only counted, not tried")
        target.look_at_log(tally, f"{number}: {request}")
        if number % 100 == 99:
            _still_there(witness, tally)


def _still_there(witness: Wire, tally: FaultTally) -> None:
    """Check that another visitor's erasure is unchanged."""
    seen = witness.call("retrieve", "a dog")
    if seen.state != "complete" or seen.value[0]["forget"] != [ERASED_BY_ANOTHER]:
        tally.fault(f"another visitor's erasure → {seen.state} {str(seen.value)[:200]}")


def _flooded(sizes: Sizes, report: FaultReport) -> None:
    with attacked() as target:
        _warm_up(target)
        quiet, tally = FaultTally("visitors alone"), FaultTally(f"{sizes.visitors} visitors beside the flood")
        with report.row("flood of one address", target, sizes.rest) as floods:
            alone, beside = flood.attack(target, (quiet, tally), floods, sizes.visitors, sizes.seconds)
        report.add(quiet)
        report.add(tally)
        report.said.append(
            f"The 95th percentile of the answers to {sizes.visitors} visitors, each with an address and a concept: "
            f"{alone:.2f} s alone, {beside:.2f} s while one address floods (× {beside / alone:.2f}; aim: at most × 2)."
        )


def _held(sizes: Sizes, report: FaultReport) -> None:
    for limit in sizes.limits:
        with (
            attacked(open_files=limit) as target,
            report.row(f"{holding.SOCKETS} idle sockets, `ulimit {limit}`", target) as tally,
        ):
            took = holding.sockets(target, tally, holding.SOCKETS)
        report.said.append(f"Beside the idle sockets (`ulimit {limit}`) the page answers another visitor {took}.")
    parts: tuple[tuple[str, Callable[[Target, FaultTally, int], Any], int], ...] = (
        ("sessions of one address", holding.sessions, sizes.sessions),
        ("exports of one address", holding.exports, sizes.exports),
        ("background runs of one address", holding.runs, sizes.runs),
    )
    for name, attack, n in parts:
        if not n:
            continue
        with attacked(limited=False) as target, report.row(name, target) as tally:
            found = attack(target, tally, n)
        if found is not None:
            report.said.append(f"Of {n} runs that one address asks for, {found} are accepted.")


def _left(sizes: Sizes, report: FaultReport) -> None:
    for signal in sizes.signals:
        with report.row(f"files of a process ended by {signal}") as tally:
            leftovers.attack(tally, signal)
