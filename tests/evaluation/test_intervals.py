from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
import torch

from unlearn.evaluation.intervals import bootstrap, change


def by_hand(values: list[float], resamples: int = 2000) -> tuple[float, float]:
    """The percentile bootstrap as a textbook says it, one draw at a time."""
    chance = random.Random(1)  # noqa: S311
    means = sorted(fmean(chance.choices(values, k=len(values))) for _ in range(resamples))
    return means[int(0.025 * resamples)], means[int(0.975 * resamples) - 1]


def test_the_interval_is_the_textbooks():
    values = [float(v) for v in torch.rand(60, generator=torch.Generator().manual_seed(0)) < 0.3]
    found = bootstrap(torch.tensor(values))
    assert found.mean == pytest.approx(fmean(values))
    assert (found.low, found.high) == pytest.approx(by_hand(values), abs=0.03)


def test_the_same_seed_gives_the_same_interval_and_more_values_a_narrower_one():
    values = torch.rand(400, generator=torch.Generator().manual_seed(0))
    assert bootstrap(values, seed=3) == bootstrap(values, seed=3)
    few, many = bootstrap(values[:20]), bootstrap(values)
    assert many.high - many.low < few.high - few.low


def test_equal_values_have_no_width_and_too_few_have_no_interval():
    assert bootstrap(torch.ones(5)) == bootstrap(torch.ones(5))
    assert (bootstrap(torch.ones(5)).low, bootstrap(torch.ones(5)).high) == (1.0, 1.0)
    assert math.isnan(bootstrap(torch.ones(1)).low)
    assert bootstrap(torch.ones(1)).mean == 1.0
    assert math.isnan(bootstrap(torch.ones(0)).mean)


def test_a_small_change_of_all_is_certain_although_the_values_differ():
    before = torch.rand(50, generator=torch.Generator().manual_seed(0))
    compared = change(before, before - 0.01)
    assert compared.difference.high < 0
    assert compared.before.low < compared.after.mean < compared.before.high
