"""How far a mean of so few pictures may be off: percentile bootstrap intervals (Efron 1979), with a fixed seed."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

from torch import Tensor

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean of ``n`` values and the bounds of its 95 % interval; NaN where there are too few values for one."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Change:
    """The same things measured before and after an edit; ``difference`` is after − before, resampled in pairs."""

    before: Interval
    after: Interval
    difference: Interval


def bootstrap(values: Tensor, *, seed: int = 0) -> Interval:
    """The mean of ``values`` (n,) and its interval."""
    n = len(values)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    numbers = values.double().numpy()
    mean = float(numbers.mean())
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    from scipy import stats  # half a second: only where an interval is wanted

    with warnings.catch_warnings():
        # Of equal values, where the interval has no width.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        bounds = stats.bootstrap(
            (numbers,),
            lambda x, axis: x.mean(axis=axis),
            n_resamples=RESAMPLES,
            confidence_level=CONFIDENCE,
            method="percentile",
            rng=seed,
        ).confidence_interval
    return Interval(mean, float(bounds.low), float(bounds.high), n)


def change(before: Tensor, after: Tensor, *, seed: int = 0) -> Change:
    """Compare values (n,) of the same things, in the same order."""
    before, after = before.double(), after.double()
    return Change(bootstrap(before, seed=seed), bootstrap(after, seed=seed), bootstrap(after - before, seed=seed))
