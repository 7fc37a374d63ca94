"""Both ways to carry CCUP into token states do what their formulas say."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from unlearn.erasers.closed_form import RetainFactor, fit
from unlearn.erasers.token_states import TokenMap, pull_back, ridge
from unlearn.errors import ModelError, ParameterError

WIDTH = 24


@pytest.fixture
def rows() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Forget states, their targets and the mean outer product of retained states."""
    generator = torch.Generator().manual_seed(0)
    forget, targets, retain = (torch.randn(n, WIDTH, generator=generator) for n in (6, 6, 200))
    return forget, targets, retain.T @ retain / len(retain)


def objective(h: torch.Tensor, forget: torch.Tensor, targets: torch.Tensor, retain: torch.Tensor) -> torch.Tensor:
    """The sum that :func:`ridge` minimises, spelt out; ``retain`` are rows here."""
    moved = (forget @ h - targets).square().sum(1).mean()
    kept = (retain @ h - retain).square().sum(1).mean()
    return (h - torch.eye(len(h))).square().sum() + 100 * moved + 10 * kept


def test_ridge_is_where_the_gradient_vanishes():
    generator = torch.Generator().manual_seed(1)
    forget, targets, retain = (torch.randn(n, WIDTH, generator=generator).double() for n in (6, 6, 40))
    solved = ridge(forget, targets, retain.T @ retain / len(retain), lam=100, mu=10)
    h = solved.matrix.double().requires_grad_()
    objective(h, forget, targets, retain).backward()
    nearby = objective(torch.eye(WIDTH).double(), forget, targets, retain)
    assert h.grad is not None
    assert h.grad.norm() < 1e-3 * nearby


def test_ridge_brings_forgotten_states_to_their_targets_and_leaves_the_others():
    generator = torch.Generator().manual_seed(2)
    basis = torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=generator)).Q
    forget, retain = basis[:2], basis[2:]
    targets = torch.randn(2, WIDTH, generator=generator)
    solved = ridge(forget, targets, retain.T @ retain / len(retain), lam=1e5, mu=1e5)
    torch.testing.assert_close(solved.on_states(forget), targets, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(solved.on_states(retain), retain, atol=1e-3, rtol=1e-3)


def test_strength_goes_the_share_of_the_way_and_zero_is_the_same_bits(rows):
    forget, targets, retain = rows
    whole = ridge(forget, targets, retain, lam=100, mu=1)
    states = torch.randn(3, 7, WIDTH)
    assert ridge(forget, targets, retain, lam=100, mu=1, strength=0.0).on_states(states) is states
    half = ridge(forget, targets, retain, lam=100, mu=1, strength=0.5)
    torch.testing.assert_close(half.matrix, (whole.matrix + torch.eye(WIDTH)) / 2)
    torch.testing.assert_close(whole.on_states(states), states @ whole.matrix, atol=1e-4, rtol=1e-4)
    with pytest.raises(ParameterError, match="strength is 2"):
        ridge(forget, targets, retain, lam=100, mu=1, strength=2)


@pytest.mark.parametrize("dimensions", [WIDTH, WIDTH + 8])
def test_pulled_back_the_text_projection_sees_ccups_own_edit(dimensions: int):
    generator = torch.Generator().manual_seed(3)
    texts = F.normalize(torch.randn(30, dimensions, generator=generator), dim=1)
    projection = fit(texts[:3].T, RetainFactor.fit(texts[3:].T, 10.0), strength=0.7)
    w_t = torch.randn(WIDTH, dimensions, generator=generator)
    states = torch.randn(5, WIDTH, generator=generator)
    carried = pull_back(projection, w_t)
    if dimensions == WIDTH:
        wanted = projection.on_texts(states @ w_t)
    else:  # only what a text projection can reach can be asked of states: the nearest such features
        wanted = projection.on_texts(states @ w_t) @ torch.linalg.pinv(w_t) @ w_t
    torch.testing.assert_close(carried.on_states(states) @ w_t, wanted, atol=1e-3, rtol=1e-3)


def test_a_projection_that_loses_directions_cannot_be_pulled_back():
    projection = fit(torch.eye(8)[:, :1])
    for w_t in (torch.randn(WIDTH, 8), torch.diag(torch.tensor([1.0] * 7 + [0.0]))):
        with pytest.raises(ModelError, match="cannot be undone"):
            pull_back(projection, w_t)


def test_half_precision_states_stay_half():
    assert TokenMap(torch.eye(4)).on_states(torch.ones(2, 4, dtype=torch.float16)).dtype == torch.float16
