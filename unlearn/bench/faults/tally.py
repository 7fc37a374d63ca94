"""Counts of requests and of their outcomes, with an example of each failure."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unlearn.bench.faults.wire import CallResult, Request, Response
from unlearn.ui.guard import UNEXPECTED

#: Words that disclose the implementation if a response contains them.
GIVEN_AWAY = (b"Traceback (most recent call last)", b'File "/', b"root:x:0:")
#: Beginning of the app's internal error messages, before the id.
OURS = UNEXPECTED.split(";", maxsplit=1)[0].split(".", maxsplit=1)[0]
MOST_EXAMPLES = 12
COUNTED = ("tried", "served", "refused", "broken", "wrong", "tracebacks")


@dataclass
class FaultTally:
    """One row of the table.

    Attributes:
        refused: answered 4xx, or with an error that is a sentence.
        broken: answered 5xx, or with an internal error or without a sentence.
        wrong: results that are another visitor's or false, or no response at all.
        tracebacks: number in the server's log meanwhile.
    """

    name: str
    secrets: tuple[bytes, ...] = ()
    tried: int = 0
    served: int = 0
    refused: int = 0
    broken: int = 0
    wrong: int = 0
    tracebacks: int = 0
    _found: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, what: object, answer: Response, *, forbidden: bool = False) -> None:
        """Count the response to one request."""
        kind = ("broken", "served", "served", "served", "refused", "broken")[min(5, answer.status // 100)]
        leaked = any(text in answer.body for text in (*GIVEN_AWAY, *self.secrets))
        if answer.status == 0:
            self._count("wrong", f"{what} → no answer")
        elif leaked or (forbidden and kind == "served"):
            self._count("wrong", f"{what} → {answer.status} {answer.body[:200]!r}")
        else:
            self._count(kind, f"{what} → {answer.status} {answer.body[:200]!r}")

    def result(self, what: object, result: CallResult, *, wrong: str = "", owed: bool = False) -> None:
        """Count the end of one call.

        Args:
            what: the call.
            result: its result.
            wrong: the error in a complete result.
            owed: True if a refusal is a wrong answer.
        """
        if result.state in {"complete", "running"}:
            self._count("wrong" if wrong else "served", f"{what} → {wrong}")
        elif result.state == "lost":
            self._count("wrong", f"{what} → no end of the call")
        elif result.status >= 500 or (result.state == "error" and (not result.sentence or OURS in result.sentence)):
            self._count("broken", f"{what} → {result.status} {result.state} {result.value}")
        else:
            self._count("wrong" if owed else "refused", f"{what} → refused: {result.sentence[:200]}")

    def event(self, request: Request, result: CallResult) -> None:
        """Count the end of an event that ``request`` began; an event that must not begin is wrong."""
        began = request.forbidden and result.state in {"complete", "running"}
        self.result(request, result, wrong=f"{result.state}: {str(result.value)[:200]}" if began else "")

    def fault(self, what: str) -> None:
        """Count a fault found outside the responses."""
        with self._lock:
            self.wrong += 1
            self._example(what)

    def traceback(self, n: int, what: object) -> None:
        """Count ``n`` tracebacks that appeared after ``what``."""
        with self._lock:
            self.tracebacks += n
            self._example(f"{what} → {n} tracebacks in the log")

    def counts(self) -> dict[str, Any]:
        """Return all counts as JSON, for :meth:`add` in another process."""
        with self._lock:
            return {name: getattr(self, name) for name in COUNTED} | {"found": dict(self._found)}

    def add(self, counts: Mapping[str, Any]) -> None:
        """Add what :meth:`counts` of another tally returned."""
        with self._lock:
            for name in COUNTED:
                setattr(self, name, getattr(self, name) + counts[name])
            self._found.update(counts["found"])

    @property
    def failures(self) -> int:
        return self.broken + self.wrong + self.tracebacks

    @property
    def examples(self) -> list[str]:
        """Return an example of each failure with its count."""
        return [f"{text} (× {n})" if n > 1 else text for text, n in self._found.items()]

    def _count(self, kind: str, example: str) -> None:
        with self._lock:
            self.tried += 1
            setattr(self, kind, getattr(self, kind) + 1)
            if kind in {"broken", "wrong"}:
                self._example(example)

    def _example(self, text: str) -> None:
        if text in self._found or len(self._found) < MOST_EXAMPLES:
            self._found[text] += 1
