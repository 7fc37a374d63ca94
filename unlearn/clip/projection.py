"""An edit of the joint space: the identity less a map of low rank, whoever solved for it.

P need not be symmetric: images take ``f @ P``, texts ``t @ Pᵀ``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unlearn.errors import require_fraction


@dataclass(frozen=True)
class Projection:
    """P = I − strength · left @ rightᵀ, kept as its factors: ``left`` and ``right`` are (d, rank)."""

    left: Tensor
    right: Tensor
    strength: float = 1.0

    @property
    def rank(self) -> int:
        return int(self.left.shape[1])

    @property
    def matrix(self) -> Tensor:
        """P itself, (d, d)."""
        identity = torch.eye(self.left.shape[0], dtype=self.left.dtype)
        return identity - self.strength * self.left @ self.right.T

    def on_images(self, features: Tensor) -> Tensor:
        """``features @ P`` for image embeddings (n, d)."""
        # Exactly the features at strength 0, whatever the factors hold.
        return features - self.strength * (features @ self.left) @ self.right.T if self.strength else features

    def on_texts(self, features: Tensor) -> Tensor:
        """``features @ Pᵀ`` for text embeddings (n, d)."""
        return features - self.strength * (features @ self.right) @ self.left.T if self.strength else features

    def at(self, strength: float) -> Projection:
        """The same edit at another strength: only the number changes."""
        return replace(self, strength=require_fraction("strength", strength))
