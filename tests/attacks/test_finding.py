"""Numbers and verdicts of findings, against slow and obvious references."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from unlearn.attacks.finding import LEFT, WORKED, Finding, Verdict, auroc, auroc_either_end, mean, wilson
from unlearn.attacks.groups import Group
from unlearn.clip.embeddings import RESOLUTION

fractions = st.floats(0, 1)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=40))
@settings(max_examples=50, deadline=None)
def test_the_area_is_scikit_learn_s_with_ties_halved(pairs):
    scores, positive = torch.tensor([float(s) for s, _ in pairs]), torch.tensor([p for _, p in pairs])
    if positive.all() or not positive.any():
        assert math.isnan(auroc(scores, positive))
    else:
        assert auroc(scores, positive) == pytest.approx(roc_auc_score(positive.numpy(), scores.numpy()))


def test_scores_that_say_nothing_and_everything():
    positive = torch.tensor([True, False, True, False])
    assert auroc(torch.zeros(4), positive) == 0.5
    assert auroc(positive.float(), positive) == 1.0
    assert auroc(-positive.float(), positive) == 0.0


def test_an_order_within_the_resolution_of_the_embeddings_is_no_order():
    positive = torch.tensor([True, False, True, False])
    assert auroc(RESOLUTION / 2 * positive.float(), positive) == 0.5
    assert auroc(RESOLUTION * 2 * positive.float(), positive) == 1.0


@given(fractions, st.integers(1, 200))
def test_the_interval_holds_the_share_and_shrinks_with_n(share, n):
    low, high = wilson(share, n)
    assert 0 <= low <= share + 1e-9
    assert share - 1e-9 <= high <= 1
    wider = wilson(share, max(1, n // 2))
    assert high - low <= wider[1] - wider[0] + 1e-9


def test_the_interval_is_the_published_one():
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-3)  # Newcombe 1998, table I: 0/29 has .0000 to .1170
    assert wilson(0.0, 29) == pytest.approx((0.0, 0.1170), abs=1e-4)
    assert wilson(15 / 148, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert all(math.isnan(bound) for bound in (*wilson(0.5, 0), *wilson(math.nan, 3)))


def finding(before: float, after: float, chance: float = 0.5, n: int = 10_000) -> Finding:
    """An attack measured on so many images that the interval decides, but for those on the threshold."""
    return Finding(Group.WORDS, "an attack", "a share", before, after, chance, n=n)


@given(fractions, fractions, fractions)
def test_a_verdict_is_about_what_is_left_of_the_advantage_over_chance(before, after, chance):
    verdict = finding(before, after, chance).verdict
    if before - chance < WORKED:
        assert verdict is Verdict.NOT_APPLICABLE
    elif abs(after - chance - LEFT * (before - chance)) > 0.02:
        assert verdict is (Verdict.LEAKED if (after - chance) / (before - chance) > LEFT else Verdict.HELD)


@given(fractions, fractions, fractions, st.integers(1, 40), st.sampled_from([0, 120]))
def test_a_verdict_is_undecided_where_the_interval_holds_the_threshold(before, after, chance, n, others):
    found = replace(finding(before, after, chance, n), others=others)
    low, high = found.interval
    assert low - 1e-6 <= found.after <= high + 1e-6
    if found.works:
        assert (found.verdict is Verdict.UNDECIDED) == (low <= found.threshold <= high)


def test_of_two_images_nothing_is_decided_and_the_sentence_says_so():
    answer = finding(1.0, 0.5, n=2).worded(leaked="leaked.", held="held.")
    assert answer.verdict is Verdict.UNDECIDED
    assert answer.meaning == "2 pictures of it cannot tell: between 9% and 91%, and it counts as leaked above 75%."


def test_which_end_is_read_is_learned_from_the_known_images_alone():
    positive = torch.tensor([True, False, False])
    front, back, middle = torch.tensor([1.0, 0, 0]), torch.tensor([-1.0, 0, 0]), torch.tensor([0.5, 0.0, 1.0])
    assert auroc_either_end(front, positive, front, positive) == (1.0, False)
    assert auroc_either_end(back, positive, back, positive) == (1.0, True), "coming last tells as much as coming first"
    assert auroc_either_end(front, positive, back, positive) == (0.0, False), (
        "the end is not chosen on what is measured"
    )
    assert auroc_either_end(back, positive, middle, positive) == (0.5, True)
    assert auroc_either_end(torch.zeros(3), positive, middle, positive) == (0.5, False)


def test_noise_tells_nothing_apart():
    generator, positive = torch.Generator().manual_seed(0), torch.arange(40) < 1
    draws = [torch.randn(2, 40, generator=generator) for _ in range(2000)]
    assert mean([auroc_either_end(known, positive, new, positive)[0] for known, new in draws]) == pytest.approx(
        0.5, abs=0.02
    )


def test_verdicts():
    assert finding(1.0, 1.0).verdict is Verdict.LEAKED, "nothing was erased"
    assert finding(1.0, 0.5).verdict is Verdict.HELD, "nothing is left"
    assert finding(1.0, 0.2).verdict is Verdict.HELD, "below chance is not found"
    last = replace(finding(1.0, 0.95), from_end=True)
    assert "from its end" in last.worded(leaked="leaked.", held="held.").meaning
    assert replace(finding(1.0, 0.5), from_end=True).worded(leaked="leaked.", held="held.").meaning == "held."
    assert finding(0.6, 0.6).verdict is Verdict.NOT_APPLICABLE, "the attack never worked"
    assert Finding(Group.WORDS, "none", "").verdict is Verdict.NOT_APPLICABLE
    assert finding(1.0, 0.9).worded(leaked="leaked.", held="held.").meaning == "leaked."
    assert finding(1.0, 0.6).worded(leaked="leaked.", held="held.").meaning == "held."
    assert "nothing about the edit" in finding(0.6, 0.6).worded(leaked="leaked.", held="held.").meaning
    assert mean([0.0, 1.0]) == 0.5
    assert math.isnan(mean([]))


def test_what_is_no_number_tells_nothing_apart():
    positive = torch.tensor([True, True, False, False])
    assert auroc(torch.full((4,), torch.nan), positive) == 0.5
    assert auroc(torch.tensor([torch.nan, torch.nan, 0.1, 0.2]), positive) == 0.0
    assert auroc_either_end(torch.full((4,), torch.nan), positive, torch.full((4,), torch.nan), positive)[0] == 0.5
