"""A linear edit of the joint space: the identity minus a low-rank matrix, from any closed-form method.

P need not be symmetric: image embeddings become ``f @ P``, text embeddings ``t @ Pᵀ``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unlearn.errors import require_fraction


@dataclass(frozen=True)
class Projection:
    """P = I − strength · left @ rightᵀ, stored as its factors: ``left`` and ``right`` are (d, rank)."""

    left: Tensor
    right: Tensor
    strength: float = 1.0

    @property
    def rank(self) -> int:
        return int(self.left.shape[1])

    @property
    def matrix(self) -> Tensor:
        """The full matrix P, (d, d)."""
        identity = torch.eye(self.left.shape[0], dtype=self.left.dtype)
        return identity - self.strength * self.left @ self.right.T

    def on_images(self, features: Tensor) -> Tensor:
        """``features @ P`` for image embeddings (n, d)."""
        # At strength 0, return the features exactly, whatever the factors contain.
        return features - self.strength * (features @ self.left) @ self.right.T if self.strength else features

    def on_texts(self, features: Tensor) -> Tensor:
        """``features @ Pᵀ`` for text embeddings (n, d)."""
        return features - self.strength * (features @ self.right) @ self.left.T if self.strength else features

    def at(self, strength: float) -> Projection:
        """Return the same edit at another strength; the factors are shared."""
        return replace(self, strength=require_fraction("strength", strength))
