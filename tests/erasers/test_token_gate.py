"""The gate against slow references spelt out prompt by prompt, and what it promises: others stay, bit by bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from unlearn.erasers import token_gate
from unlearn.erasers.token_gate import GatedMap, TokenGate
from unlearn.erasers.token_states import TokenMap

WIDTH, TOKENS = 12, 5


@pytest.fixture
def states() -> tuple[list[torch.Tensor], torch.Tensor]:
    """Prompts of two forms, each with a direction of its own from its third token on, and of others without."""
    generator = torch.Generator().manual_seed(0)
    prompts = []
    for k, count in enumerate((3, 4)):
        own = torch.randn(count, TOKENS, WIDTH, generator=generator)
        own[:, 2:, k] += 12.0
        prompts.append(own)
    return prompts, torch.randn(40, TOKENS, WIDTH, generator=generator)


@pytest.fixture
def fitted(states) -> TokenGate:
    prompts, retained = states
    rows = retained.flatten(0, 1)
    mean = rows.double().mean(dim=0)
    covariance = (rows.double() - mean).T @ (rows.double() - mean) / len(rows)
    return token_gate.fit([own[:, 2:].flatten(0, 1) for own in prompts], prompts, retained, mean, covariance)


def slow_score(prompt: torch.Tensor, reader: torch.Tensor, mean: torch.Tensor) -> float:
    return max(float(sum((x - m) * w for x, m, w in zip(token, mean, reader, strict=True))) for token in prompt)


def test_a_reader_is_fishers_discriminant_and_scores_its_forms_mean_as_one(states, fitted):
    prompts, retained = states
    rows = retained.flatten(0, 1).double()
    covariance = torch.cov(rows.T, correction=0)
    ridge = 0.01 * covariance.diagonal().mean()
    for k, own in enumerate(prompts):
        apart = own[:, 2:].flatten(0, 1).double().mean(dim=0) - rows.mean(dim=0)
        direction = torch.linalg.inv(covariance + ridge * torch.eye(WIDTH, dtype=torch.float64)) @ apart
        expected = direction / (direction @ apart)
        torch.testing.assert_close(fitted.readers[:, k].double(), expected, atol=1e-5, rtol=1e-4)


def test_thresholds_lie_between_what_others_reach_and_what_the_form_always_reaches(states, fitted):
    prompts, retained = states
    for k, own in enumerate(prompts):
        reader = fitted.readers[:, k]
        reached = min(slow_score(prompt, reader, fitted.mean) for prompt in own)
        others = max(slow_score(prompt, reader, fitted.mean) for prompt in retained)
        others = min(others, reached / 2)
        assert float(fitted.low[k]) == pytest.approx(others + 0.05 * (reached - others), rel=1e-4)
        assert float(fitted.high[k]) == pytest.approx(others + 0.15 * (reached - others), rel=1e-4)


def test_the_opening_is_the_widest_of_all_forms(states, fitted):
    prompts, retained = states
    between = torch.cat([share * prompts[0] for share in torch.linspace(0, 1, 41)] + [retained])
    slow = [
        max(
            min(max((slow_score(p, r, fitted.mean) - float(low)) / float(high - low), 0.0), 1.0)
            for r, low, high in zip(fitted.readers.T, fitted.low, fitted.high, strict=True)
        )
        for p in between
    ]
    opening = fitted.opening(between)
    torch.testing.assert_close(opening, torch.tensor(slow), atol=1e-4, rtol=1e-4)
    assert 0 in opening
    assert 1 in opening
    assert ((opening > 0) & (opening < 1)).any()


def test_others_keep_every_bit_and_the_form_is_mapped_as_without_a_gate(states, fitted):
    prompts, retained = states
    linear = TokenMap(torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(1)), 0.7)
    gated = GatedMap(linear, fitted)
    assert torch.equal(gated.on_states(retained), retained)
    for own in prompts:
        torch.testing.assert_close(gated.on_states(own), linear.on_states(own))
    beside = torch.cat([retained[:2], prompts[1][:1]])
    assert torch.equal(gated.on_states(beside)[:2], retained[:2]), "whatever else is in the batch"
    still = GatedMap(replace(linear, strength=0.0), fitted)
    assert torch.equal(still.on_states(prompts[0]), prompts[0])
    torch.testing.assert_close(gated.on_states(prompts[0][:, 2]), linear.on_states(prompts[0][:, 2]))  # pooled states
    assert gated.on_states(prompts[0].half()).dtype == torch.float16


def test_a_retained_synonym_does_not_keep_the_gate_shut():
    """What is retained reaches as far as what is forgotten: what is forgotten goes all the same."""
    generator = torch.Generator().manual_seed(2)
    own = torch.randn(4, TOKENS, WIDTH, generator=generator)
    own[:, 2:, 0] += 12.0
    retained = torch.cat([torch.randn(40, TOKENS, WIDTH, generator=generator), own * 1.1])
    rows = retained.flatten(0, 1).double()
    gate = token_gate.fit(
        [own[:, 2:].flatten(0, 1)], [own], retained, rows.mean(dim=0), torch.cov(rows.T, correction=0)
    )
    assert (gate.opening(own) == 1).all()
    assert (gate.high > gate.low).all()
