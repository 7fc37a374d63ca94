"""The three modules against values worked out by hand, and the direction in which each pulls."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from unlearn.erasers.losses import consistency_loss, forgetting_loss, gradient_ascent_loss, retention_loss

EYE = torch.eye(2)


def unit_rows(n: int, d: int = 8, seed: int = 0, *, grad: bool = False) -> torch.Tensor:
    rows = F.normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(seed)), dim=-1)
    return rows.requires_grad_(grad)


def test_forgetting_is_the_mean_cosine_of_matched_pairs():
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    texts = torch.tensor([[1.0, 0.0], [0.0, -1.0], [0.8, 0.6]])
    assert forgetting_loss(images, texts).item() == pytest.approx((1 - 1 + 0.96) / 3)


def test_retention_of_two_orthogonal_pairs():
    # Each row of logits is (s, 0) with its own partner first: −log σ(s).
    assert retention_loss(EYE, EYE, 2.0).item() == pytest.approx(math.log(1 + math.exp(-2)))
    assert retention_loss(EYE, EYE.flip(0), 2.0).item() == pytest.approx(math.log(1 + math.exp(2)))


def test_retention_is_open_clips_own_loss():
    from open_clip.loss import ClipLoss

    images, texts = unit_rows(6), unit_rows(6, seed=1)
    assert retention_loss(images, texts, 14.0).item() == pytest.approx(ClipLoss()(images, texts, 14.0).item(), rel=1e-5)


def test_retention_of_a_single_pair_is_zero():
    assert retention_loss(unit_rows(1), unit_rows(1, seed=1), 100.0).item() == 0.0


def test_consistency_is_kl_of_original_from_edited():
    original, edited = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    p = math.exp(math.sqrt(2)) / (math.exp(math.sqrt(2)) + 1)
    by_hand = p * math.log(p / (1 - p)) + (1 - p) * math.log((1 - p) / p)
    assert consistency_loss(original, edited).item() == pytest.approx(by_hand, rel=1e-5)


def test_consistency_is_zero_only_for_equal_rows():
    rows = unit_rows(4)
    assert consistency_loss(rows, rows).item() == pytest.approx(0.0, abs=1e-7)
    assert consistency_loss(rows, unit_rows(4, seed=1)).item() > 0.1


def test_consistency_is_about_half_the_squared_distance():
    original = unit_rows(32, d=256)
    edited = F.normalize(original + 0.01 * unit_rows(32, d=256, seed=1), dim=-1)
    distance = (edited - original).square().sum(dim=-1).mean().item()
    assert consistency_loss(original, edited).item() == pytest.approx(distance / 2, rel=0.3)


def test_gradient_ascent_of_one_pair_against_one_retained():
    image = text = torch.tensor([[1.0, 0.0]])
    other = torch.tensor([[0.0, 1.0]])
    assert gradient_ascent_loss(image, text, other, other, 2.0).item() == pytest.approx(-math.log(1 + math.exp(-2)))


def test_gradient_ascent_has_no_floor_where_forgetting_has():
    image, text, other = torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0]]), torch.tensor([[1.0, 0.0]])
    values = [gradient_ascent_loss(image, text, other, other, scale).item() for scale in (10.0, 100.0)]
    assert values[1] < 5 * values[0] < 0
    assert forgetting_loss(image, text).item() == -1


@pytest.mark.parametrize("loss", ["forgetting", "gradient_ascent"])
def test_a_step_down_either_forgetting_loss_parts_the_pairs(loss):
    images, texts, others = unit_rows(4, grad=True), unit_rows(4, seed=1), unit_rows(5, seed=2)
    value = (
        forgetting_loss(images, texts)
        if loss == "forgetting"
        else gradient_ascent_loss(images, texts, others, others, 5.0)
    )
    value.backward()
    moved = F.normalize(images.detach() - 0.1 * images.grad, dim=-1)
    assert forgetting_loss(moved, texts) < forgetting_loss(images, texts)


def test_a_step_down_retention_brings_the_pairs_together():
    images, texts = unit_rows(4, grad=True), unit_rows(4, seed=1)
    retention_loss(images, texts, 5.0).backward()
    moved = F.normalize(images.detach() - 0.1 * images.grad, dim=-1)
    assert forgetting_loss(moved, texts) > forgetting_loss(images, texts)


def test_a_step_down_consistency_goes_back_to_the_original():
    original, edited = unit_rows(4), unit_rows(4, seed=1, grad=True)
    consistency_loss(original, edited).backward()
    moved = F.normalize(edited.detach() - 0.1 * edited.grad, dim=-1)
    assert (moved - original).norm() < (edited - original).norm()


def test_the_order_of_a_batch_does_not_matter():
    images, texts, order = unit_rows(6), unit_rows(6, seed=1), torch.tensor([3, 0, 5, 1, 4, 2])
    for loss in (
        forgetting_loss,
        lambda i, t: retention_loss(i, t, 14.0),
        consistency_loss,
        lambda i, t: gradient_ascent_loss(i, t, images, texts, 14.0),
    ):
        assert loss(images[order], texts[order]).item() == pytest.approx(loss(images, texts).item(), rel=1e-5)
