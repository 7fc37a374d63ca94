"""Target of the fault attacks: a running app, its process, its log, and its use of memory and files."""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import psutil

from unlearn.bench.faults.tally import FaultTally
from unlearn.bench.faults.wire import Wire
from unlearn.bench.serving import served

#: A traceback with the error line before it; or an error line alone, which may be a shortened traceback.
TRACEBACK = re.compile(
    rb"(?:^(?:ERROR|CRITICAL)\b[^\n]*\n)?[^\n]*Traceback \(most recent call last\)|^(?:ERROR|CRITICAL)\b", re.MULTILINE
)
#: Seconds between two measurements of the process.
EVERY = 0.25
#: A word that the attacks send and that must not appear in a log.
PRIVATE = "quokka7341"
#: Address of a visitor that is never attacked.
BYSTANDER = "127.0.9.9"


class Taken(NamedTuple):
    """Resources of a process: resident MiB including its children, and open files."""

    resident: float
    files: int


@dataclass
class Target:
    """A running app."""

    address: str
    process: psutil.Process
    log: Path
    folder: Path
    _read: int = 0

    def visitor(self, source: str = "127.0.0.1", session: str = "") -> Wire:
        return Wire(self.address, source, session)

    def new_log(self) -> bytes:
        """Return the lines added to the log since the last call."""
        with self.log.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        self._read += len(text)
        return text

    def look_at_log(self, tally: FaultTally, after: object) -> None:
        """Count the tracebacks and private words added to the log since the last call."""
        text = self.new_log()
        if found := len(TRACEBACK.findall(text)):
            tally.traceback(found, after)
        if PRIVATE.encode() in text:
            tally.fault(f"{after} → a visitor's words in the log")

    @property
    def alive(self) -> bool:
        return bool(self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE)

    def takes(self) -> Taken:
        """Return the current use of resources; zeros once the process has ended."""
        if not self.alive:
            return Taken(0.0, 0)
        resident = self.process.memory_info().rss
        for child in self.process.children(recursive=True):
            try:
                if child.cmdline() != self.process.cmdline():  # else it was just forked and shares all memory
                    resident += child.memory_full_info().pss  # counts memory shared by decoders once
            except psutil.Error:
                continue  # the child has ended
        return Taken(resident / 2**20, self.process.num_fds())

    def settled(self, aim: float, seconds: float) -> Taken:
        """Return the use of resources once it falls to ``aim`` MiB, or after ``seconds``."""
        until = time.monotonic() + seconds
        while (taken := self.takes()).resident > aim and time.monotonic() < until:
            time.sleep(1)
        return taken


@dataclass
class TargetWatch:
    """Peak use of resources of a target during the block."""

    target: Target
    before: Taken = field(init=False)
    most: Taken = field(init=False)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> TargetWatch:
        self.before = self.most = self.target.takes()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(EVERY):
            try:
                now = self.target.takes()
            except psutil.Error:
                return
            self.most = Taken(max(self.most.resident, now.resident), max(self.most.files, now.files))


@contextmanager
def attacked(*, limited: bool = True, open_files: str = "", folder: Path | None = None) -> Iterator[Target]:
    """Start an app over the embedded model, with its own folder for temporary files.

    Args:
        limited: False removes the app's limits on the requests of one address.
        open_files: options of ``ulimit`` for the process.
        folder: folder for its temporary files, which is not deleted.
    """
    with tempfile.TemporaryDirectory(prefix="faults-") as own:
        files = folder or Path(own) / "files"
        files.mkdir(exist_ok=True)
        settings = {"TMPDIR": str(files), "GRADIO_TEMP_DIR": str(files / "gradio"), "GRADIO_ANALYTICS_ENABLED": "False"}
        if not limited:
            settings["UNLEARN_REQUESTS_PER_MINUTE"] = "1000000"
        log = Path(own) / "log"
        with served(log=log, open_files=open_files, **settings) as (address, process):
            yield Target(address, psutil.Process(process.pid), log, files)


def finite(value: Any) -> bool:
    """Return True if no number in ``value``, however deep, is NaN or infinite."""
    if isinstance(value, float):
        return abs(value) < float("inf")
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    return all(map(finite, value)) if isinstance(value, list) else True
