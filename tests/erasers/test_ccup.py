"""CCUP's theorems, each as a property."""

from __future__ import annotations

import pytest
import torch
from helpers.random_texts import unit_columns
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearn import erase
from unlearn.clip.embeddings import NOTHING_LEFT, similarity
from unlearn.concepts.prompts import TEMPLATES, Concept
from unlearn.concepts.selection import Vocabulary, select
from unlearn.erasers import ccup
from unlearn.erasers.closed_form import RetainFactor, fit
from unlearn.erasers.settings import FORMS, SIDES, CCUPSettings
from unlearn.errors import ConceptError, ParameterError
from unlearn.evaluation.zero_shot import evaluate_zero_shot

seeds = st.integers(0, 2**31 - 1)
fast = settings(max_examples=25, deadline=None)


def problem(seed: int, d: int = 24, m_f: int = 3, m_r: int = 10, cone: float = 0.8):
    generator = torch.Generator().manual_seed(seed)
    both = unit_columns(generator, d, m_f + m_r, cone=cone)
    return both[:, :m_f], both[:, m_f:]


def objective(p, t_f, t_r, lam, mu, strength):
    identity = torch.eye(len(p), dtype=p.dtype)
    forget = lam * (p @ t_f - (1 - strength) * t_f).pow(2).sum()
    return (p - identity).pow(2).sum() + forget + mu * (p @ t_r - t_r).pow(2).sum()


def solve_directly(t_f, t_r, lam, mu, strength):
    """The closed form as algorithms textbooks would write it: one dense system, no low rank, no cache."""
    a = torch.eye(len(t_f), dtype=t_f.dtype) + mu * t_r @ t_r.T
    target = a + (1 - strength) * lam * t_f @ t_f.T
    return torch.linalg.solve(a + lam * t_f @ t_f.T, target.T).T


@given(seeds, st.floats(0.1, 1e3), st.floats(0, 1e3), st.floats(0, 1))
@fast
def test_low_rank_solution_equals_the_dense_system(seed, lam, mu, strength):
    t_f, t_r = problem(seed)
    p = fit(t_f, RetainFactor.fit(t_r, mu), lam=lam, strength=strength).matrix.double()
    torch.testing.assert_close(p, solve_directly(t_f, t_r, lam, mu, strength), atol=2e-5, rtol=1e-4)


@given(seeds, st.floats(0.1, 100), st.floats(0, 100), st.floats(0, 1))
@fast
def test_gradient_vanishes_at_the_closed_form(seed, lam, mu, strength):
    t_f, t_r = problem(seed)
    p = solve_directly(t_f, t_r, lam, mu, strength).requires_grad_()
    objective(p, t_f, t_r, lam, mu, strength).backward()
    assert p.grad.abs().max() < 1e-7 * max(lam, mu, 1)


@given(seeds)
@fast
def test_nullspace_is_an_orthogonal_projection(seed):
    t_f, _ = problem(seed)
    projection = fit(t_f)
    p = projection.matrix.double()
    torch.testing.assert_close(p @ p, p, atol=1e-6, rtol=0)
    torch.testing.assert_close(p, p.T, atol=1e-6, rtol=0)
    assert (p @ t_f).abs().max() < 1e-6
    assert projection.rank == t_f.shape[1]


@given(seeds)
@fast
def test_consistent_tends_to_nullspace(seed):
    t_f, t_r = problem(seed)
    limit = fit(t_f, RetainFactor.fit(t_r, 0.0), lam=1e6).matrix
    torch.testing.assert_close(limit, fit(t_f).matrix, atol=1e-4, rtol=0)


@given(seeds, st.floats(0, 1))
@fast
def test_strength_interpolates_linearly_from_the_identity(seed, strength):
    t_f, t_r = problem(seed)
    full = fit(t_f, RetainFactor.fit(t_r, 100.0))
    identity = torch.eye(len(t_f))
    expected = identity + strength * (full.matrix - identity)
    torch.testing.assert_close(full.at(strength).matrix, expected, atol=1e-6, rtol=0)


def test_strength_zero_returns_the_very_same_features():
    t_f, t_r = problem(0)
    projection = fit(t_f, RetainFactor.fit(t_r, 100.0), strength=0.0)
    features = torch.randn(5, 24)
    assert torch.equal(projection.on_images(features), features)
    assert torch.equal(projection.on_texts(features), features)


def test_projection_is_not_symmetric_and_images_take_p():
    """Texts are nulled by P, not by Pᵀ: pictures need ``f @ P`` for unedited texts to lose them."""
    t_f, t_r = problem(3, m_f=1, cone=2.0)
    projection = fit(t_f, RetainFactor.fit(t_r, 100.0), lam=100.0)
    p = projection.matrix.double()
    assert (p @ t_f).norm() < 0.1
    assert (p.T @ t_f).norm() > 0.5
    image = torch.randn(4, 24, dtype=torch.float64)
    torch.testing.assert_close(projection.on_images(image.float()).double(), image @ p, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(projection.on_texts(image.float()).double(), image @ p.T, atol=1e-5, rtol=1e-5)


@given(seeds)
@fast
def test_a_repeated_concept_changes_nothing(seed):
    t_f, t_r = problem(seed)
    factor = RetainFactor.fit(t_r, 100.0)
    repeated = torch.cat([t_f, t_f[:, :2]], dim=1)
    torch.testing.assert_close(fit(repeated, factor).matrix, fit(t_f, factor).matrix, atol=1e-5, rtol=0)
    assert fit(repeated).rank == t_f.shape[1]


@given(seeds, st.integers(1, 6))
@fast
def test_taking_texts_out_of_the_factor_equals_factoring_anew(seed, k):
    t_f, t_r = problem(seed)
    downdated = RetainFactor.fit(t_r, 100.0).without(t_r[:, :k]).solve(t_f)
    torch.testing.assert_close(downdated, RetainFactor.fit(t_r[:, k:], 100.0).solve(t_f), atol=1e-8, rtol=1e-6)


def test_retained_texts_move_less_than_under_the_nullspace():
    t_f, t_r = problem(5, d=64, cone=1.5)
    moved = {
        "nullspace": fit(t_f).matrix.double() @ t_r - t_r,
        "consistent": fit(t_f, RetainFactor.fit(t_r, 100.0)).matrix.double() @ t_r - t_r,
    }
    assert moved["consistent"].norm() < 0.5 * moved["nullspace"].norm()


def test_edited_text_with_nothing_left_scores_lowest(words):
    """Dividing by the norm would undo a text-side edit: ‖P t‖ is tiny, its direction is the old one."""
    vocabulary = Vocabulary(tuple(Concept(name) for name in ("cat", "dog", "car", "pizza")))
    erasure = ccup.erase(
        words,
        select("cat", vocabulary=vocabulary),
        CCUPSettings(form="nullspace", side="text", synonyms=False),
        vocabulary=vocabulary,
    )
    cat = words.text_features(["cat"], TEMPLATES)
    assert erasure.projection.on_texts(cat).norm() < NOTHING_LEFT
    edited = erasure.apply(words).text_features(["cat", "dog"], TEMPLATES)
    assert not edited[0].any()
    assert edited[1].norm() == pytest.approx(1.0, abs=1e-5)
    assert similarity(cat, edited)[0].tolist()[0] == -1.0


@pytest.mark.parametrize("form", FORMS)
def test_the_encoder_is_left_alone_and_images_of_others_still_find_their_own_class(words, form):
    names = ("cat", "dog", "car", "pizza", "rose")
    vocabulary = Vocabulary(tuple(Concept(name) for name in names))
    before = words.encode_text(["a cat"])
    classes = words.text_features(names, TEMPLATES)
    erasure = ccup.erase(words, select("cat", vocabulary=vocabulary), CCUPSettings(form=form), vocabulary=vocabulary)
    edited = erasure.apply(words)
    scores = similarity(edited.edit_image(classes), edited.text_features(names, TEMPLATES))
    assert scores.argmax(dim=1)[1:].tolist() == [1, 2, 3, 4]
    assert (scores[0, 1:] >= scores[0, 0]).any(), "a tie counts against the erased"
    assert torch.equal(words.encode_text(["a cat"]), before)


@pytest.mark.parametrize("value", [float("nan"), 7, -0.1, True, "1"])
def test_strength_outside_of_zero_to_one_is_refused(value):
    with pytest.raises(ParameterError, match="from 0 to 1"):
        CCUPSettings(strength=value)


@pytest.mark.parametrize(
    ("name", "value"), [("form", "soft"), ("side", "left"), ("lam", 0), ("lam", float("inf")), ("mu", -1)]
)
def test_other_settings_name_what_is_allowed(name, value):
    with pytest.raises(ParameterError, match="must be|choose one of"):
        CCUPSettings(**{name: value})


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("side", SIDES)
def test_whatever_can_be_chosen_erases(pocket, vocabulary, gallery, form, side):
    if (form, side) == ("paired", "both"):
        with pytest.raises(ParameterError, match="on one side"):
            CCUPSettings(form, side=side)
        return
    selection = select(["cat", "mug", "koala"], vocabulary=vocabulary)
    edited = ccup.erase(pocket, selection, CCUPSettings(form, side=side), vocabulary=vocabulary).apply(pocket)
    report = evaluate_zero_shot(edited, gallery, forget=selection.forget_names, vocabulary=vocabulary)
    assert report.forget.top1 == 0
    assert report.retain.top1 > 0.7


def test_by_name_on_the_embedded_model(pocket):
    edited = erase(pocket, ["cat", "cat"], strength=1.0).apply(pocket)
    assert edited.projection.rank >= 1
    with pytest.raises(ConceptError, match="No concept"):
        erase(pocket, [])
    with pytest.raises(ParameterError, match="strength"):
        erase(pocket, "cat", strength=float("nan"))


def test_names_that_are_close_are_both_erased():
    """A hundredth of the largest singular value is a direction, a hundred-millionth is rounding."""
    first = torch.zeros(24, 1, dtype=torch.float64)
    first[0] = 1.0
    second, third = first.clone(), first.clone()
    second[1], third[1] = 0.02, 1e-8
    close = torch.cat([first, second / second.norm()], dim=1)
    for retain in (None, RetainFactor.fit(problem(0)[1], 1.0)):
        projection = fit(close, retain, lam=1e6)
        assert projection.rank == 2
        assert (projection.matrix.double() @ (close[:, 1] - close[:, 0])).norm() < 0.1 * 0.02
        assert fit(torch.cat([close, third], dim=1), retain).rank == 2
