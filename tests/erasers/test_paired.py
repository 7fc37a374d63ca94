"""Paired CCUP: both factors against slow, obvious references, and what the form promises on the embedded model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.random_texts import unit_columns
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from unlearn.concepts.selection import select
from unlearn.erasers import ccup, paired
from unlearn.erasers.settings import CCUPSettings
from unlearn.evaluation.zero_shot import evaluate_zero_shot

seeds = st.integers(0, 2**31 - 1)
fast = settings(max_examples=20, deadline=None)
D, LAM, MU = 24, 1000.0, 100.0


def problem(seed: int, sizes: tuple[int, ...] = (3, 1, 2), n: int = 30):
    """Forget texts by concept and retained texts, as columns."""
    columns = unit_columns(torch.Generator().manual_seed(seed), D, sum(sizes) + n, cone=0.8)
    *forget, retain = columns.split([*sizes, n], dim=1)
    return forget, retain


def centre(texts, retain):
    return F.normalize(texts[:, 0] - retain.mean(dim=1), dim=0)


@given(seeds)
@fast
def test_each_direction_is_the_minimum_of_its_objective(seed):
    forget, retain = problem(seed)
    right = paired.fit(forget, paired.RetainFactors.fit(retain, MU), lam=LAM).right.double()
    for k, texts in enumerate(forget):
        d = centre(texts, retain)
        r = right[:, k].clone().requires_grad_()
        score = d @ texts[:, 0]
        objective = (
            (r - d).square().sum()
            + MU * D / retain.shape[1] * (retain.T @ r).square().sum()
            + LAM / texts.shape[1] * (texts.T @ r - score).square().sum()
        )
        objective.backward()
        assert r.grad.abs().max() < 1e-3 * LAM


@given(seeds)
@fast
def test_the_functionals_are_the_ridge_solution_over_the_whole_covariance(seed):
    forget, retain = problem(seed)
    around = paired.RetainFactors.fit(retain, MU)
    left = paired.fit(forget, around, lam=LAM).left.double()
    centred = retain - retain.mean(dim=1, keepdim=True)
    scatter = centred @ centred.T
    a = scatter / (scatter.trace() / D) + paired.CHOSEN.noise * torch.eye(D, dtype=torch.float64)
    d = torch.stack([centre(texts, retain) for texts in forget], dim=1)
    gram = d.T @ torch.linalg.inv(a) @ d
    ridge = paired.CHOSEN.overlap * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    expected = torch.linalg.inv(a) @ d @ torch.linalg.inv(gram + ridge)
    scale = (left * expected).sum() / expected.square().sum()
    torch.testing.assert_close(left, scale * expected, atol=1e-4, rtol=1e-4)
    assert paired.CHOSEN.least - 1e-6 <= scale <= paired.CHOSEN.most + 1e-6


@given(seeds, st.integers(1, 6))
@fast
def test_taking_texts_out_solves_both_problems_without_them(seed, k):
    _, retain = problem(seed)
    whole, columns = paired.RetainFactors.fit(retain, MU), torch.randn(D, 3, dtype=torch.float64)
    less = whole.without(range(k))
    centred = retain[:, k:] - retain.mean(dim=1, keepdim=True)
    identity = torch.eye(D, dtype=torch.float64)
    for factor, texts in ((less.images, centred), (less.words, retain[:, k:])):
        dense = torch.linalg.solve(identity + factor.mu * texts @ texts.T, columns)
        torch.testing.assert_close(factor.solve(columns), dense, atol=1e-8, rtol=1e-6)


def test_one_retained_text_is_enough_and_a_concept_that_equals_it_changes_nothing_to_nan():
    forget, retain = problem(0, (2,), n=1)
    assert paired.fit(forget, paired.RetainFactors.fit(retain, MU)).matrix.isfinite().all()
    same = paired.fit([retain.clone()], paired.RetainFactors.fit(retain, MU)).matrix
    assert same.isfinite().all()


@pytest.fixture(scope="module")
def measured(pocket, gallery, vocabulary):
    """Retained accuracy and the erased concepts' accuracy of both forms, for twenty concepts at once."""
    report = evaluate_zero_shot(pocket, gallery, vocabulary=vocabulary)
    known = [name for name, accuracy in report.per_class.items() if accuracy.top1 > 0]
    selection = select(known[::13][:20], vocabulary=vocabulary)
    found = {}
    for form in ("paired", "consistent"):
        edited = ccup.erase(pocket, selection, CCUPSettings(form=form), vocabulary=vocabulary).apply(pocket)
        found[form] = evaluate_zero_shot(edited, gallery, forget=selection.forget_names, vocabulary=vocabulary)
    return found


def test_twenty_concepts_are_forgotten_and_the_others_keep_more_than_under_the_papers_form(measured):
    assert measured["paired"].forget.top1 == measured["consistent"].forget.top1 == 0.0
    assert measured["paired"].retain.top1 > measured["consistent"].retain.top1


def test_the_edit_acts_where_images_and_words_of_the_concept_meet(pocket, gallery, vocabulary):
    erasure = ccup.erase(pocket, select("dog", vocabulary=vocabulary), vocabulary=vocabulary)
    features, texts = pocket.image_features(gallery), pocket.text_features(vocabulary.names, vocabulary.templates)
    change = (erasure.projection.on_images(features) - features) @ texts.T
    dogs, word = [p.concept == "dog" for p in gallery], vocabulary.names.index("dog")
    pair = change[dogs][:, word].mean()
    assert pair < -0.3
    others = change[[not dog for dog in dogs]]
    assert change[dogs].square().mean().sqrt() < 0.3 * pair.abs(), "the concept's pictures, any text"
    assert others[:, word].square().mean().sqrt() < 0.5 * pair.abs(), "any picture, the concept's text"
    assert others.square().mean().sqrt() < 0.05 * pair.abs(), "neither"


@given(seeds, st.integers(2, 6))
@fast
def test_between_its_bounds_the_gain_spends_the_budget(seed, concepts):
    """The slow reference: every retained text, taken for a picture, with every other."""
    forget, retain = problem(seed, (1,) * concepts)
    constants = paired.Constants(least=1e-3, most=1e3)
    p = paired.fit(forget, paired.RetainFactors.fit(retain, MU, constants), lam=LAM)
    centred = retain - retain.mean(dim=1, keepdim=True)
    change = centred.T @ (p.left @ p.right.T).double() @ retain
    budget = constants.budget * (centred.T @ retain).square().sum()
    torch.testing.assert_close(change.square().sum(), budget, rtol=1e-5, atol=0)


@pytest.mark.parametrize(("budget", "reached"), [(1e-9, "least"), (1e9, "most")])
def test_outside_of_its_bounds_the_gain_stays_at_them(budget, reached):
    forget, retain = problem(3)
    at, free = (
        paired.fit(forget, paired.RetainFactors.fit(retain, MU, constants), lam=LAM).left
        for constants in (paired.Constants(budget=budget), paired.Constants(budget=budget, least=1.0, most=1.0))
    )
    torch.testing.assert_close(at, getattr(paired.CHOSEN, reached) * free)


def test_many_concepts_at_once_get_less_gain_than_one(pocket, vocabulary):
    """What the budget is for, on the embedded model and its vocabulary."""
    around = paired.RetainFactors.fit(pocket.text_features(vocabulary.names, vocabulary.templates).T, MU)
    scales = []
    for count in (1, 100):
        removed = range(0, 4 * count, 4)
        texts = [around.texts[:, [i]] for i in removed]
        constants = paired.Constants(least=1.0, most=1.0)
        free = paired.fit(texts, replace(around, constants=constants).without(removed)).left
        scales.append(float(paired.fit(texts, around.without(removed)).left.norm() / free.norm()))
    assert scales[0] == pytest.approx(paired.CHOSEN.most)
    assert paired.CHOSEN.least <= scales[1] < 0.95 * paired.CHOSEN.most


@given(seeds)
@fast
def test_a_text_of_weight_three_counts_as_three(seed):
    forget, retain = problem(seed)
    weights = torch.ones(retain.shape[1])
    weights[:4] = 3.0
    repeated = torch.cat([retain, retain[:, :4], retain[:, :4]], dim=1)
    weighted = paired.fit(forget, paired.RetainFactors.fit(retain, MU, weights=weights), lam=LAM)
    spelt_out = paired.fit(forget, paired.RetainFactors.fit(repeated, MU), lam=LAM)
    torch.testing.assert_close(weighted.matrix, spelt_out.matrix, atol=1e-5, rtol=0)


@given(seeds, st.integers(1, 6))
@fast
def test_weighted_texts_are_taken_out_like_others(seed, k):
    _, retain = problem(seed)
    weights = torch.rand(retain.shape[1], generator=torch.Generator().manual_seed(seed)) + 0.1
    less = paired.RetainFactors.fit(retain, MU, weights=weights).without(range(k))
    roots, columns = weights.double().sqrt(), torch.randn(D, 3, dtype=torch.float64)
    kept = retain[:, k:] * roots[k:]
    dense = torch.eye(D, dtype=torch.float64) + less.words.mu * kept @ kept.T
    torch.testing.assert_close(less.words.solve(columns), torch.linalg.solve(dense, columns), atol=1e-8, rtol=1e-6)
    centred = kept - less.mean[:, None] * roots[k:]
    dense = torch.eye(D, dtype=torch.float64) + less.images.mu * centred @ centred.T
    torch.testing.assert_close(less.images.solve(columns), torch.linalg.solve(dense, columns), atol=1e-8, rtol=1e-6)


@given(seeds)
@fast
def test_what_a_change_is_measured_against_is_the_sum_over_all_pairs_of_texts(seed):
    _, retain = problem(seed)
    around = paired.RetainFactors.fit(retain, MU)
    centred = retain - retain.mean(dim=1, keepdim=True)
    assert around.scores == pytest.approx(float((centred.T @ retain).square().sum()), rel=1e-9)


@given(seeds, st.integers(0, 6))
@fast
def test_the_gain_is_that_over_every_kept_text_with_every_other(seed, k):
    """The slow reference: the matrix of all scores and of their changes, (n, n)."""
    forget, retain = problem(seed)
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(retain.shape[1], generator=generator) + 0.1
    constants = paired.Constants(least=1e-6, most=1e6)
    around = paired.RetainFactors.fit(retain, MU, constants, weights=weights)
    left, right = torch.randn(2, D, len(forget), generator=generator, dtype=torch.float64)
    texts = retain * weights.double().sqrt()
    centred = texts - around.mean[:, None] * weights.double().sqrt()
    change = (centred[:, k:].T @ left @ right.T @ texts[:, k:]).square().sum()
    expected = (constants.budget * (centred.T @ texts).square().sum() / change).sqrt()
    assert paired._gain(left, right, around.without(range(k))) == pytest.approx(float(expected), rel=1e-9)
