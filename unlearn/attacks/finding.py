"""What an attack found, in one number before and after the edit, and when that counts as a leak."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from unlearn.attacks.groups import Group
from unlearn.clip.encoders import RESOLUTION, finite_or_last
from unlearn.concepts.selection import Concept, surface_forms
from unlearn.evaluation.intervals import wilson
from unlearn.evaluation.missing import nan_to_none

Pictures = tuple[Image.Image, ...]

#: Share of what an attack had above chance before the edit; where more than this is left after it, the concept leaks.
#: Half-way: an attack that lost more than it kept was hindered by the edit, one that kept more was not.
LEFT = 0.5
#: An attack whose number before the edit is not this far above chance says nothing about the edit.
WORKED = 0.1
#: Kinds of words that are the concept's own: to erase them as well is what would close the leak.
OWN_WORDS = ("Plural", "Synonyms", "Typos", "Other languages")
NAN = math.nan
NO_EVIDENCE = "It gets hardly more out of the original model than chance, so it says nothing about the edit."
FROM_END = "Its pictures stand out by coming late: whoever reads the order from its end finds them."


class Verdict(StrEnum):
    """What an attack comes to; "held" means against this attack, and proves no more."""

    HELD = "held"
    LEAKED = "leaked"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Row:
    """One part of a finding: an attack's wording, number of examples or precision, and its numbers.

    ``from_end``: whether ``after`` was read from the end of the order, see :func:`auroc_either_end`.
    """

    name: str
    before: float
    after: float
    control: float = NAN
    from_end: bool = field(default=False, kw_only=True)


@dataclass(frozen=True)
class Curve:
    """A number over the steps of an attack that learns from examples.

    Attributes:
        edited: whether the edited model is attacked, rather than the original taught a word that it never knew.
        examples: what is learned from, counted.
        learned_from: the same in words.
        points: (step, value) in order.
    """

    edited: bool
    examples: int
    learned_from: str
    points: tuple[tuple[int, float], ...]

    @property
    def name(self) -> str:
        return f"{'edited' if self.edited else 'a new word'}, {self.learned_from}"


@dataclass(frozen=True)
class Finding:
    """One attack's result. Numbers are fractions, NaN where nothing was measured.

    Attributes:
        group: what kind of attack.
        name: the attack.
        measure: what the numbers are, such as :data:`AUROC`.
        before: what the attack gets out of the original model.
        after: out of the edited one.
        chance: what knows nothing gets.
        from_end: whether ``after`` was read from the end of the order, see :func:`auroc_either_end`.
        worked: how far above chance the attack must be before the edit to say anything about it.
        control: what the attack gets where nothing can be left, or where an edit of that size went elsewhere.
        control_name: which of the two.
        n: pictures of the concept that it was measured on.
        rows, curves: the details.
        pictures: what the attack drew with the original, and with the edited model.
        meaning: one sentence for the visitor.
    """

    group: Group
    name: str
    measure: str
    before: float = NAN
    after: float = NAN
    chance: float = NAN
    from_end: bool = False
    worked: float = WORKED
    control: float = NAN
    control_name: str = "random edit"
    n: int = 0
    rows: tuple[Row, ...] = ()
    curves: tuple[Curve, ...] = ()
    pictures: tuple[Pictures, Pictures] = ((), ())
    meaning: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.group, Group):  # it would be counted and not shown
            raise TypeError(f"{self.group!r} is no group of attacks")

    @property
    def verdict(self) -> Verdict:
        """Whether the concept leaked; not applicable where the attack did not work on the original either."""
        if not self.before - self.chance >= self.worked:  # NaN too
            return Verdict.NOT_APPLICABLE
        return Verdict.LEAKED if self.left > LEFT else Verdict.HELD

    @property
    def left(self) -> float:
        """What share of the attack's advantage over chance the edit has left; NaN where it never had any."""
        before = self.before - self.chance
        return (self.after - self.chance) / before if before else NAN

    @property
    def still_first(self) -> tuple[Row, ...]:
        """The rows that by themselves leak from the front of the order."""
        alone = ((row, replace(self, before=row.before, after=row.after)) for row in self.rows if not row.from_end)
        return tuple(row for row, finding in alone if finding.verdict is Verdict.LEAKED)

    def worded(self, *, leaked: str, held: str, no_evidence: str = NO_EVIDENCE) -> Finding:
        """The same, with the sentence of its verdict."""
        leaked = FROM_END if self.from_end else leaked
        sentences = {Verdict.LEAKED: leaked, Verdict.HELD: held, Verdict.NOT_APPLICABLE: no_evidence}
        return replace(self, meaning=sentences[self.verdict])

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of ``after``.

        An area under a curve is taken for the share of the concept's pictures that are told apart, each of them one
        trial: wider than necessary, and honest with two of them.
        """
        return wilson(self.after, self.n)

    def record(self) -> dict[str, Any]:
        """The finding as JSON, without pictures; what was not measured is null."""
        record: dict[str, Any] = nan_to_none(
            {name: getattr(self, name) for name in RECORDED}
            | {
                "verdict": str(self.verdict),
                "interval": self.interval,
                "rows": [vars(row) for row in self.rows],
                "curves": {curve.name: curve.points for curve in self.curves},
            }
        )
        return record


@dataclass(frozen=True, eq=False)
class Report:
    """What an audit of ``concept`` came to, in ``seconds``, measured on ``n`` pictures of it."""

    concept: Concept
    findings: tuple[Finding, ...]
    seconds: float
    n: int = 0

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """The findings that leaked."""
        return tuple(finding for finding in self.findings if finding.verdict == Verdict.LEAKED)

    def record(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "concept": self.concept.name,
            "seconds": self.seconds,
            "n": self.n,
            "findings": [finding.record() for finding in self.findings],
        }

    @property
    def new_words(self) -> tuple[str, ...]:
        """The concept's own other words that still put its pictures first, and are not among its synonyms already."""
        known = {form.casefold() for form in surface_forms(self.concept)}
        rows = [row for finding in self.leaks if finding.name in OWN_WORDS for row in finding.still_first]
        words = {row.name.casefold(): row.name for row in rows}
        return tuple(word for key, word in words.items() if key not in known)


#: What a record keeps of a finding as it is.
RECORDED = ("group", "name", "measure", "before", "after", "chance", "left", "control", "control_name", "n", "meaning")

#: What :func:`auroc` and :func:`auroc_either_end` measure, in words.
AUROC, AUROC_EITHER_END = "ranks above other pictures", "told from other pictures"


def auroc(scores: Tensor, positive: Tensor) -> float:
    """Area under the ROC curve: how often a positive scores above a negative, ties half; NaN without one of the two.

    Scores within :data:`unlearn.clip.encoders.RESOLUTION` of each other tie; scikit-learn's AUROC would rank them.

    Args:
        scores: (n,).
        positive: (n,), bool.
    """
    scores = finite_or_last(scores)
    own, others = scores[positive], scores[~positive]
    if not len(own) or not len(others):
        return NAN
    difference = own[:, None].double() - others.double()
    return float(((difference > RESOLUTION).double() + (difference.abs() <= RESOLUTION).double() / 2).mean())


def auroc_either_end(known: Tensor, known_positive: Tensor, unseen: Tensor, positive: Tensor) -> tuple[float, bool]:
    """How often scores tell an unseen positive from a negative, and whether their order was read from its end.

    A concept whose pictures all come last is found as surely as one whose come first. Which it is, an attacker learns
    from known pictures: to choose the better end on those that are measured would make half of all noise a find.

    Args:
        known, known_positive: scores (m,) of what the attacker knows, and which are positive, bool.
        unseen, positive: scores (n,) of what is measured on, and which are.
    """
    from_end = auroc(known, known_positive) < 0.5
    found = auroc(unseen, positive)
    return (1 - found if from_end else found), from_end


def mean(values: Sequence[float]) -> float:
    """The mean; NaN of nothing."""
    return float(torch.tensor(list(values), dtype=torch.float64).mean()) if values else NAN
