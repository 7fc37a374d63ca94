"""Result of an attack: one number before and after the edit, and a verdict on whether the concept leaked."""

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
from unlearn.clip.embeddings import RESOLUTION, finite_or_last
from unlearn.data.images import count_in_words
from unlearn.evaluation.intervals import auroc_interval, wilson
from unlearn.evaluation.missing import nan_to_none

Images = tuple[Image.Image, ...]

#: Share of an attack's advantage over chance before the edit; if more than this is left after it, the concept leaks.
#: One half: the edit hindered an attack that lost more than it kept, and did not hinder one that kept more.
LEFT = 0.5
#: An attack whose number before the edit is not this far above chance says nothing about the edit.
WORKED = 0.1
NAN = math.nan
NO_EVIDENCE = "It gets hardly more out of the original model than chance, so it says nothing about the edit."
FROM_END = "Its pictures come last, so anyone who reads the order from its end finds them."


class Verdict(StrEnum):
    """Verdict on one attack; "held" means that the edit withstood this attack, and proves no more."""

    HELD = "held"
    LEAKED = "leaked"
    UNDECIDED = "undecided"
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
        edited: True if the edited model is attacked, False if the original learns a made-up word.
        examples: number of examples that are learned from.
        learned_from: the same number in words.
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
    """Result of one attack. Numbers are fractions, and NaN if they were not measured.

    Attributes:
        group: the kind of attack.
        name: the attack.
        measure: what the numbers are, such as :data:`AUROC`.
        before: the attack's result on the original model.
        after: its result on the edited model.
        chance: the expected result of guessing.
        from_end: whether ``after`` was read from the end of the order, see :func:`auroc_either_end`.
        worked: margin above chance that the attack must reach before the edit to say anything about it.
        control: the attack's result on a model without the concept, or with an edit of the same size elsewhere.
        control_name: which of the two the control is.
        n: number of the concept's images that were measured.
        others: number of other images that an AUROC ranks them among; 0 if the numbers are shares of the n images.
        rows, curves: the details.
        images: what the attack drew with the original, and with the edited model.
        meaning: one sentence for the user.
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
    others: int = 0
    rows: tuple[Row, ...] = ()
    curves: tuple[Curve, ...] = ()
    images: tuple[Images, Images] = ((), ())
    meaning: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.group, Group):  # it would be counted and not shown
            raise TypeError(f"{self.group!r} is no group of attacks")

    @property
    def verdict(self) -> Verdict:
        """Return the verdict by the interval of ``after``.

        It is undecided if :attr:`threshold` lies in the interval, and not applicable if the attack did not work on the
        original either.
        """
        if not self.works:
            return Verdict.NOT_APPLICABLE
        low, high = self.interval
        if low > self.threshold:
            return Verdict.LEAKED
        return Verdict.HELD if high < self.threshold else Verdict.UNDECIDED

    @property
    def works(self) -> bool:
        """Return whether the attack gets more out of the original than chance; False if it was not measured."""
        return self.before - self.chance >= self.worked

    @property
    def threshold(self) -> float:
        """Return the result above which the concept leaks: chance, and :data:`LEFT` of the advantage over it."""
        return self.chance + LEFT * (self.before - self.chance)

    @property
    def left(self) -> float:
        """Return the share of the attack's advantage over chance that the edit left; NaN if there was no advantage."""
        before = self.before - self.chance
        return (self.after - self.chance) / before if before else NAN

    @property
    def still_first(self) -> tuple[Row, ...]:
        """Return the rows that keep more than :data:`LEFT` of their own advantage and rank the concept's images first.

        A word is offered to be erased too where it probably leaks, so this asks for no interval.
        """
        alone = ((row, replace(self, before=row.before, after=row.after)) for row in self.rows if not row.from_end)
        return tuple(row for row, finding in alone if finding.works and finding.left > LEFT)

    def worded(self, *, leaked: str, held: str, no_evidence: str = NO_EVIDENCE) -> Finding:
        """Return a copy with the sentence for its verdict."""
        sentences = {
            Verdict.LEAKED: FROM_END if self.from_end else leaked,
            Verdict.HELD: held,
            Verdict.UNDECIDED: self._undecided(),
            Verdict.NOT_APPLICABLE: no_evidence,
        }
        return replace(self, meaning=sentences[self.verdict])

    def _undecided(self) -> str:
        low, high = self.interval
        return (
            f"{count_in_words(self.n).capitalize()} of it cannot tell: between {low:.0%} and {high:.0%}, and it counts "
            f"as leaked above {self.threshold:.0%}."
        )

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of ``after``: of an AUROC, or of a share of the n images."""
        if self.others:
            return auroc_interval(self.after, self.n, self.others)
        return wilson(self.after, self.n)

    def record(self) -> dict[str, Any]:
        """Return the finding as JSON without images; numbers that were not measured are null."""
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


#: Fields of a finding that its record copies unchanged.
RECORDED = (
    "group", "name", "measure", "before", "after", "chance", "threshold", "left", "control", "control_name", "n",
    "meaning",
)  # fmt: skip


def auroc(scores: Tensor, positive: Tensor) -> float:
    """Return the area under the ROC curve: the chance that a positive scores above a negative, with ties counted half.

    It is NaN without positives or without negatives. Scores within :data:`unlearn.clip.embeddings.RESOLUTION` of each
    other tie; scikit-learn's AUROC would rank them.

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
    """Return the AUROC of the unseen images, and whether it was read from the end of the order.

    A concept whose images all come last can be found as easily as one whose images come first. The attacker learns
    which end to use from known images: choosing the better end on the measured ones would turn half of all noise into
    a finding.

    Args:
        known, known_positive: scores (m,) of the images that the attacker knows, and which are positive, bool.
        unseen, positive: scores (n,) of the images that are measured, and which are positive, bool.
    """
    from_end = auroc(known, known_positive) < 0.5
    found = auroc(unseen, positive)
    return (1 - found if from_end else found), from_end


def mean(values: Sequence[float]) -> float:
    """Return the mean of ``values``; NaN if there are none."""
    return float(torch.tensor(list(values), dtype=torch.float64).mean()) if values else NAN
