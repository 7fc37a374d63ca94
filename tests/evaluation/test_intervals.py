"""Intervals: against published numbers and the textbook's bootstrap, and as wide as little evidence asks for."""

from __future__ import annotations

import math
import random
from statistics import fmean

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlearn.evaluation.intervals import FEWEST, Compared, auroc_interval, bootstrap, share, share_difference, wilson


def by_hand(values: list[float], resamples: int = 2000) -> tuple[float, float]:
    """The percentile bootstrap as a textbook says it, one draw at a time."""
    chance = random.Random(1)  # noqa: S311
    means = sorted(fmean(chance.choices(values, k=len(values))) for _ in range(resamples))
    return means[int(0.025 * resamples)], means[int(0.975 * resamples) - 1]


def hits(*counts: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Before and after, of how many were hit both times, only before, only after, and never."""
    pairs = [(True, True), (True, False), (False, True), (False, False)]
    rows = [pair for pair, count in zip(pairs, counts, strict=True) for _ in range(count)]
    before, after = torch.tensor(rows, dtype=torch.bool).view(-1, 2).unbind(1)
    return before, after


def test_a_share_has_the_published_interval():
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    for counted, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        assert wilson(counted / n, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("chances", [(0.6, 0.3, 0.05, 0.05), (0.05, 0.9, 0.0, 0.05), (0.9, 0.02, 0.02, 0.06)])
def test_the_true_difference_is_inside_as_often_as_is_said(chances):
    generator, n, trials = torch.Generator().manual_seed(0), 20, 600
    inside = 0
    for _ in range(trials):
        drawn = torch.multinomial(torch.tensor(chances), n, replacement=True, generator=generator)
        moved = share_difference(*hits(*torch.bincount(drawn, minlength=4).tolist()))
        inside += moved.low <= chances[2] - chances[1] <= moved.high
    assert inside / trials > 0.93


def test_a_few_images_leave_much_open_even_where_all_are_alike():
    nothing, everything = torch.zeros(2, dtype=torch.bool), torch.ones(2, dtype=torch.bool)
    assert share(nothing).high > 0.6
    assert share(everything).low < 0.4
    erased = share_difference(everything, nothing)
    assert erased.mean == -1
    assert erased.high > -0.2
    assert math.isnan(share(nothing[:0]).low)
    assert math.isnan(share_difference(nothing[:0], nothing[:0]).low)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_what_was_measured_lies_inside_and_time_turned_round_is_the_mirror_image(pairs):
    before, after = torch.tensor(pairs, dtype=torch.bool).unbind(1)
    moved, back = share_difference(before, after), share_difference(after, before)
    assert -1 <= moved.low <= moved.mean <= moved.high <= 1
    assert moved.low < moved.high
    assert (back.low, back.high) == pytest.approx((-moved.high, -moved.low))


def test_a_mean_of_symmetric_values_has_nearly_the_textbooks_bootstrap():
    values = [float(v) for v in torch.rand(60, generator=torch.Generator().manual_seed(0))]
    found = bootstrap(torch.tensor(values))
    assert found.mean == pytest.approx(fmean(values))
    assert (found.low, found.high) == pytest.approx(by_hand(values), abs=0.015)


def test_twenty_skewed_values_have_an_interval_that_covers_the_mean_more_often_than_percentiles_do():
    generator, trials = torch.Generator().manual_seed(0), 400
    covered = by_percentiles = 0
    for _ in range(trials):
        values = torch.empty(20, dtype=torch.float64).exponential_(1.0, generator=generator)
        found = bootstrap(values)
        covered += found.low <= 1 <= found.high
        drawn = values[torch.randint(20, (2000, 20), generator=generator)].mean(dim=1)
        low, high = drawn.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
        by_percentiles += low <= 1 <= high
    assert covered > by_percentiles
    assert covered / trials > 0.9


@pytest.mark.parametrize(
    ("spread", "at_least"), [(0.5, 0.95), (1.0, 0.93), (2.0, 0.8)], ids=["half", "the same", "twice"]
)
@pytest.mark.parametrize("positives", [1, 2, 5, 20])
def test_an_area_is_covered_by_its_interval(positives: int, spread: float, at_least: float):
    """Of normal scores; ``spread``: how much those of positives vary, where those of 127 negatives vary by 1."""
    generator, trials = torch.Generator().manual_seed(0), 1000
    for area in (0.5, 0.75, 0.95):
        shift = torch.special.ndtri(torch.tensor(area)) * math.sqrt(1 + spread**2)
        own = shift + spread * torch.randn(trials, positives, 1, generator=generator)
        others = torch.randn(trials, 1, 127, generator=generator)
        found = (own > others).double().mean(dim=(1, 2)).tolist()
        bounds = [auroc_interval(each, positives, 127) for each in found]
        assert sum(low <= area <= high for low, high in bounds) / trials >= at_least


def test_an_area_without_images_has_no_interval_and_one_with_few_is_wide():
    assert all(math.isnan(bound) for bound in auroc_interval(0.5, 0, 9))
    assert auroc_interval(1.0, 5, 127) == pytest.approx((0.8026, 1.0), abs=1e-4)
    assert auroc_interval(0.0, 5, 127) == pytest.approx((0.0, 0.1974), abs=1e-4)
    low, high = auroc_interval(0.5, 2, 127)
    assert (high - 0.5) == pytest.approx(0.5 - low)
    assert low < 0.2


@pytest.mark.parametrize("n", [10, 20, 50])
@pytest.mark.parametrize("draw", ["uniform", "skewed"])
def test_a_mean_is_covered_by_its_bootstrap(n: int, draw: str):
    generator, trials = torch.Generator().manual_seed(0), 200
    covered = 0
    for _ in range(trials):
        values = torch.rand(n, dtype=torch.float64, generator=generator)
        mean = 0.5
        if draw == "skewed":
            values, mean = -values.log(), 1.0
        found = bootstrap(values)
        covered += found.low <= mean <= found.high
    # Of n = 10 skewed values, the bootstrap covers less than it says.
    assert covered / trials > (0.84 if (n, draw) == (10, "skewed") else 0.89)


def test_values_that_are_all_alike_have_an_interval_of_no_width():
    found = bootstrap(torch.full((30,), 0.25))
    assert (found.mean, found.low, found.high) == (0.25, 0.25, 0.25)


def test_the_same_seed_gives_the_same_interval_and_more_values_a_narrower_one():
    values = torch.rand(400, generator=torch.Generator().manual_seed(0))
    assert bootstrap(values, seed=3) == bootstrap(values, seed=3)
    few, many = bootstrap(values[:20]), bootstrap(values)
    assert many.high - many.low < few.high - few.low


def test_of_too_few_numbers_there_is_a_mean_and_no_interval():
    few = bootstrap(torch.rand(FEWEST - 1))
    assert math.isnan(few.low)
    assert not math.isnan(few.mean)
    assert math.isnan(bootstrap(torch.ones(0)).mean)


def test_a_small_change_of_all_is_certain_although_the_values_differ():
    before = torch.rand(50, generator=torch.Generator().manual_seed(0))
    compared = Compared(before, before - 0.01)
    changed = compared.change()
    assert changed.difference.high < 0
    assert changed.before.low < changed.after.mean < changed.before.high
    assert compared.means == pytest.approx((changed.before.mean, changed.after.mean))
