"""CLIPErase's three modules (arXiv 2410.23330) as pure functions: L = λ₁·L_RM + λ₂·L_FM + λ₃·L_CM.

All functions take unit-norm embeddings, (n, d), where row i of the images and row i of the texts are a pair, and return
a scalar. The order of the pairs in a batch does not matter.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def forgetting_loss(image_features: Tensor, text_features: Tensor) -> Tensor:
    """L_FM = (1/n) Σ ⟨iₖ, tₖ⟩ over the forget set: the mean cosine of the matched pairs, from 1 down to −1."""
    return (image_features * text_features).sum(dim=-1).mean()


def retention_loss(image_features: Tensor, text_features: Tensor, logit_scale: float) -> Tensor:
    """L_RM: CLIP's symmetric contrastive loss over the retain set.

    ½ CE(s·I Tᵀ) + ½ CE(s·T Iᵀ), where each pair is the positive and the rest of the batch are negatives. Two pairs of
    the same concept would be each other's negatives, so a batch contains every concept at most once.
    """
    logits = logit_scale * image_features @ text_features.T
    partner = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, partner) + F.cross_entropy(logits.T, partner)) / 2


def consistency_loss(original: Tensor, edited: Tensor) -> Tensor:
    """L_CM = KL(original ‖ edited) of one modality's embeddings over the retain set, averaged over rows.

    A row becomes a distribution over the d dimensions by softmax(√d · row). The paper gives no temperature. The entries
    of a unit vector are of size 1/√d, so the factor √d makes the distribution neither flat nor one-hot for any d, and
    the loss about half the squared distance that an embedding moved.
    """
    scale = original.shape[-1] ** 0.5
    log_p, log_q = ((scale * rows).log_softmax(dim=-1) for rows in (original, edited))
    return F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)


def gradient_ascent_loss(
    image_features: Tensor, text_features: Tensor, retain_images: Tensor, retain_texts: Tensor, logit_scale: float
) -> Tensor:
    """Gradient ascent on the contrastive loss, which a public re-implementation uses instead of L_FM.

    Each forget pair's partner competes with the retain batch, (m, d), and the loss is the *negative* cross-entropy. It
    has no useful lower bound (the bound grows with ``logit_scale``), so it keeps pushing after the concept is gone.
    """
    own = (image_features * text_features).sum(dim=-1, keepdim=True)
    partner = torch.zeros(len(own), dtype=torch.long, device=own.device)
    losses = [
        F.cross_entropy(logit_scale * torch.cat([own, rows @ others.T], dim=1), partner)
        for rows, others in ((image_features, retain_texts), (text_features, retain_images))
    ]
    return -(losses[0] + losses[1]) / 2
