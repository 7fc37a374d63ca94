"""95 % intervals for shares and means of few images.

A share gets Wilson's interval (1927). The difference of two shares of the same images gets Newcombe's interval (1998,
method 10), which is built from Wilson's. An area under the ROC curve gets the score interval of Newcombe (2006, part 2,
method 5). Unlike a bootstrap, none of them shrinks to a point when all or none are hits. A
mean of other numbers gets the bias-corrected and accelerated bootstrap (BCa, Efron 1987) of scipy with a fixed seed:
at n = 20, the plain percentile bootstrap covers about 90 % instead of the stated 95 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import optimize, stats
from torch import Tensor

CONFIDENCE, QUANTILE = 0.95, 1.959964
RESAMPLES = 2000
#: With fewer values than this, a bootstrap interval is misleading.
FEWEST = 10
#: Distance from 0 and 1 at which the search for the bounds of an area begins: at 0 and 1 its variance vanishes.
NEARLY = 1e-9
NAN = math.nan


@dataclass(frozen=True)
class Interval:
    """A mean of ``n`` values and the bounds of its 95 % interval; NaN if there are too few values for one."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Change:
    """The same images measured before and after an edit; ``difference`` is the mean of after − before over pairs."""

    before: Interval
    after: Interval
    difference: Interval


@dataclass(frozen=True, eq=False)
class Compared:
    """Values of the same images before and after an edit, (n,) each: hits as bool, or other numbers."""

    before: Tensor
    after: Tensor

    @property
    def means(self) -> tuple[float, float]:
        """Means before and after; NaN without values."""
        return float(self.before.double().mean()), float(self.after.double().mean())

    def change(self) -> Change:
        """Means before and after and their difference, with intervals, which cost more than the means."""
        if self.before.dtype == torch.bool:
            return Change(share(self.before), share(self.after), share_difference(self.before, self.after))
        difference = self.after.double() - self.before.double()
        return Change(bootstrap(self.before), bootstrap(self.after), bootstrap(difference))


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's interval for a ``share`` of ``n`` trials.

    It is written out here because scipy's takes only whole counts, and areas under curves are also treated as shares.
    """
    if n == 0 or math.isnan(share):
        return NAN, NAN
    squared = QUANTILE**2 / n
    middle = (share + squared / 2) / (1 + squared)
    half = QUANTILE / (1 + squared) * math.sqrt(share * (1 - share) / n + squared / (4 * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def auroc_interval(auroc: float, positives: int, negatives: int) -> tuple[float, float]:
    """Score interval of an area under the ROC curve (Newcombe 2006, part 2, method 5).

    The bounds are the areas θ with (auroc − θ)² = z² V(θ), where V is Hanley and McNeil's variance (1982), with both
    sample sizes replaced by their mean: V(θ) = θ(1 − θ) / mn · (1 + N (1 − θ)/(2 − θ) + N θ/(1 + θ)), where
    N = (m + n)/2 − 1.
    It holds down to one positive if scores of positives vary as much as those of negatives; where they vary twice as
    much it covers less, see the test of its coverage.

    Args:
        auroc: the measured area.
        positives, negatives: numbers m and n of images.
    """
    if not positives or not negatives or math.isnan(auroc):
        return NAN, NAN

    def outside(area: float) -> float:
        pairs, n = positives * negatives, (positives + negatives) / 2 - 1
        variance = area * (1 - area) / pairs * (1 + n * (1 - area) / (2 - area) + n * area / (1 + area))
        return (auroc - area) ** 2 - QUANTILE**2 * variance

    below, above = min(auroc, 1 - NEARLY), max(auroc, NEARLY)
    low = optimize.brentq(outside, NEARLY, below) if below > NEARLY and outside(NEARLY) > 0 else 0.0
    high = optimize.brentq(outside, above, 1 - NEARLY) if above < 1 - NEARLY and outside(1 - NEARLY) > 0 else 1.0
    return float(low), float(high)


def share(hits: Tensor) -> Interval:
    """Share of ``hits`` (n,), bool, with Wilson's interval."""
    mean, n = float(hits.double().mean()), len(hits)
    return Interval(mean, *wilson(mean, n), n)


def share_difference(before: Tensor, after: Tensor) -> Interval:
    """Change in the share of hits (n,), bool, with Newcombe's interval for pairs."""
    n = len(before)
    first, second = share(before), share(after)
    moved = second.mean - first.mean
    if n == 0:
        return Interval(moved, NAN, NAN, 0)
    phi = _correlation(before, after)
    below = _length(second.mean - second.low, first.high - first.mean, phi)
    above = _length(second.high - second.mean, first.mean - first.low, phi)
    return Interval(moved, max(-1.0, moved - below), min(1.0, moved + above), n)


def _length(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))


def _correlation(before: Tensor, after: Tensor) -> float:
    """φ of the two-by-two table, a positive one corrected for continuity; 0 if a side is all hits or all misses."""
    n = len(before)
    both, neither = int((before & after).sum()), int((~before & ~after).sum())
    lost, gained = int((before & ~after).sum()), int((~before & after).sum())
    product = math.prod((both + lost, gained + neither, both + gained, lost + neither))
    if not product:
        return 0.0
    determinant = both * neither - lost * gained
    return (max(determinant - n / 2, 0.0) if determinant > 0 else determinant) / math.sqrt(product)


def bootstrap(values: Tensor, *, seed: int = 0) -> Interval:
    """Mean of ``values`` (n,) with its interval, which needs at least :data:`FEWEST` values."""
    n, numbers = len(values), values.double().numpy()
    mean = float(numbers.mean()) if n else NAN
    if n < FEWEST:
        return Interval(mean, NAN, NAN, n)
    if numbers.min() == numbers.max():
        return Interval(mean, mean, mean, n)  # without variation BCa has no acceleration
    found = stats.bootstrap(
        (numbers,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high), n)
