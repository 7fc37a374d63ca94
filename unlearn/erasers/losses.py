"""CLIPErase's three modules (arXiv 2410.23330) as pure functions: L = λ₁·L_RM + λ₂·L_FM + λ₃·L_CM.

All take unit-norm embeddings, (n, d), where row i of the images and row i of the texts are a pair, and return a scalar.
The order of the pairs in a batch does not matter.
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

    ½ CE(s·I Tᵀ) + ½ CE(s·T Iᵀ), each pair's own partner being the right one among the batch. Two pairs of one concept
    would be each other's wrong answer, so batches are drawn with every concept at most once.
    """
    logits = logit_scale * image_features @ text_features.T
    partner = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, partner) + F.cross_entropy(logits.T, partner)) / 2


def consistency_loss(original: Tensor, edited: Tensor) -> Tensor:
    """L_CM = KL(original ‖ edited) of one modality's embeddings over the retain set, the mean of its rows.

    A row becomes a distribution over the d dimensions by softmax(√d · row). The paper gives no temperature: entries of
    a unit vector are of size 1/√d, so √d makes the distribution neither flat nor one-hot whatever d is, and the loss
    about half the squared distance that an embedding moved.
    """
    scale = original.shape[-1] ** 0.5
    log_p, log_q = ((scale * rows).log_softmax(dim=-1) for rows in (original, edited))
    return F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)


def gradient_ascent_loss(
    image_features: Tensor, text_features: Tensor, retain_images: Tensor, retain_texts: Tensor, logit_scale: float
) -> Tensor:
    """The variant of a public re-implementation, in place of :func:`forgetting_loss`: ascent on the contrastive loss.

    Each forget pair's partner competes with the retain batch, (m, d), and the loss is the *negative* cross-entropy. It
    has no useful lower bound (it grows with ``logit_scale``), so it goes on pushing after the concept is gone.
    """
    own = (image_features * text_features).sum(dim=-1, keepdim=True)
    partner = torch.zeros(len(own), dtype=torch.long, device=own.device)
    losses = [
        F.cross_entropy(logit_scale * torch.cat([own, rows @ others.T], dim=1), partner)
        for rows, others in ((image_features, retain_texts), (text_features, retain_images))
    ]
    return -(losses[0] + losses[1]) / 2
