"""Result of an audit: all findings, and the answer to "is it gone?" in one sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, NamedTuple

from unlearn.attacks.finding import Finding, Verdict
from unlearn.attacks.groups import PLANNED, Access, Group
from unlearn.concepts.prompts import Concept, surface_forms
from unlearn.data.images import count_in_words

#: Attacks with words that belong to the concept itself: erasing them too would close the leak.
OWN_WORDS = ("Plural", "Synonyms", "Typos", "Other languages")
SHORT = {
    Verdict.LEAKED: "Not gone.",
    Verdict.UNDECIDED: "Undecided.",
    Verdict.HELD: "Held.",
    Verdict.NOT_APPLICABLE: "No answer.",
}


class Answer(NamedTuple):
    """Answer to "is it gone?": a few words, and a sentence with the reasons."""

    short: str
    reasons: str


@dataclass(frozen=True, eq=False)
class AuditReport:
    """Result of an audit of ``concept``, which may have been stopped before all attacks ran.

    Attributes:
        concept: the concept that was attacked.
        findings: results of the attacks that ran, in order.
        seconds: duration.
        n: number of images of it that the attacks were measured on.
        known: number of images of it that the attacker had.
    """

    concept: Concept
    findings: tuple[Finding, ...]
    seconds: float
    n: int = 0
    known: int = 0

    @property
    def counted(self) -> tuple[Finding, ...]:
        """Return the findings that count for the verdict: those of related words do not."""
        return tuple(finding for finding in self.findings if finding.group is not Group.RELATED)

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """Return the findings that leaked."""
        return tuple(finding for finding in self.counted if finding.verdict is Verdict.LEAKED)

    @property
    def verdict(self) -> Verdict:
        """Return leaked if any attack leaked, else undecided if any is, else held if any held."""
        found = {finding.verdict for finding in self.counted}
        order = (Verdict.LEAKED, Verdict.UNDECIDED, Verdict.HELD)
        return next((verdict for verdict in order if verdict in found), Verdict.NOT_APPLICABLE)

    @property
    def answer(self) -> Answer:
        """Return the answer, built from what each attacker needs and how many of their attacks succeed."""
        if self.verdict is Verdict.NOT_APPLICABLE:
            return Answer(SHORT[self.verdict], "No attack got more out of the original model than chance.")
        by_words, by_images, by_file = (self._counts(access) for access in Access)
        parts = [part for part in (_of_words(by_words), _of_images(by_images, self.known)) if part]
        differ = bool(by_words[Verdict.LEAKED]) != bool(by_images[Verdict.LEAKED])
        reasons = (", but " if differ else ", and ").join(parts)
        if undone := by_file[Verdict.LEAKED]:
            either = "the file of the edit or its weights"
            reasons += (
                f"{', and ' if parts else ''}anyone who has {either} can undo it ({undone} of {_answered(by_file)})"
            )
        return Answer(SHORT[self.verdict], f"{reasons[:1].upper()}{reasons[1:]}.{self._remark()}")

    def _counts(self, access: Access) -> Counter[Verdict]:
        return Counter(finding.verdict for finding in self.counted if finding.group.access is access)

    def _remark(self) -> str:
        if self.verdict is Verdict.UNDECIDED:
            return f" Measured on {count_in_words(self.n)} of it; more of them would decide."
        return " Held means against these attacks; it proves no more." if self.verdict is Verdict.HELD else ""

    def record(self) -> dict[str, Any]:
        """Return the report as JSON."""
        return {
            "concept": self.concept.name,
            "seconds": self.seconds,
            "n": self.n,
            "known": self.known,
            "planned": PLANNED,
            "verdict": str(self.verdict),
            "answer": " ".join(self.answer),
            "findings": [finding.record() for finding in self.findings],
        }

    @property
    def new_words(self) -> tuple[str, ...]:
        """Return other words for the concept that still rank its images first and are not yet among its synonyms."""
        known = {form.casefold() for form in surface_forms(self.concept)}
        rows = [row for finding in self.counted if finding.name in OWN_WORDS for row in finding.still_first]
        words = {row.name.casefold(): row.name for row in rows}
        return tuple(word for key, word in words.items() if key not in known)


def _answered(counts: Counter[Verdict]) -> int:
    return counts.total() - counts[Verdict.NOT_APPLICABLE]


def _of_words(counts: Counter[Verdict]) -> str:
    """Return how well the concept is hidden from words; "" if no such attack worked before the edit."""
    n, held, leaked = _answered(counts), counts[Verdict.HELD], counts[Verdict.LEAKED]
    if not n:
        return ""
    if leaked:
        if held > leaked:
            return f"mostly hidden from words ({held} of {n} word attacks fail)"
        return f"not hidden from words ({leaked} of {n} word attacks succeed)"
    if held == n:
        return f"hidden from words (all {n} word attacks fail)"
    return f"whether words find it is open ({held} of {n} word attacks fail, {n - held} undecided)"


def _of_images(counts: Counter[Verdict], known: int) -> str:
    """Return what somebody with the model and images gets; "" if no such attack worked before the edit."""
    n, held, leaked = _answered(counts), counts[Verdict.HELD], counts[Verdict.LEAKED]
    has = f"the model and {count_in_words(known)}"
    if not n:
        return ""
    if leaked:
        return f"anyone who has {has} gets it back ({leaked} of {n} succeed)"
    if held == n:
        return f"{has} do not bring it back (all {n} attempts fail)"
    return f"whether {has} bring it back is open ({held} of {n} fail, {n - held} undecided)"
