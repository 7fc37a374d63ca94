"""CCUP for diffusion models: a linear map of the text encoder's token states.

Stable Diffusion's denoiser reads token states (n, tokens, width), *before* the text projection that CCUP edits, so CCUP
alone changes no generated image. Two closed forms carry CCUP to the states, each as a matrix H with ``states @ H``:

``pull_back``   the map that, followed by the text projection W_t, equals CCUP's own map:  c H W_t = c W_t Pᵀ
``ridge``       CCUP's problem posed on the states themselves. With forget states as the rows of F, their target states
                as the rows of T, and retain states as the rows of R, H minimises

                    ‖H − I‖² + λ mean‖f H − t‖² + μ mean‖r H − r‖²

                (the problem of UCE, Gandikota et al. 2024, section 4, on the encoder's output), and is

                    H = I + (I + λ F̄ + μ R̄)⁻¹ λ Fᵀ(T − F)/n,      F̄ = FᵀF/n,  R̄ = RᵀR/m.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn.clip.projection import Projection
from unlearn.errors import ModelError, require_fraction

#: A text projection with a larger condition number (ratio of singular values) cannot be inverted in float32.
WORST_CONDITION = 1e6


@dataclass(frozen=True)
class TokenMap:
    """H = I + strength · change, for token states as rows; ``change`` is (width, width)."""

    change: Tensor
    strength: float = 1.0

    @property
    def matrix(self) -> Tensor:
        """The matrix H, (width, width)."""
        return torch.eye(len(self.change)) + self.strength * self.change

    def on_states(self, states: Tensor) -> Tensor:
        """Return ``states @ H`` for token states (..., width); at strength 0 exactly ``states``."""
        if not self.strength:
            return states
        change = self.change.to(states.device, states.dtype)
        return states + self.strength * (states @ change)


def pull_back(projection: Projection, text_projection: Tensor) -> TokenMap:
    """Carry CCUP's text-side edit back through the text projection.

    Args:
        projection: P of the joint space, (d, d).
        text_projection: W_t (width, d), ``text_features = states @ W_t``.

    Raises:
        ModelError: W_t loses directions (d < width) or nearly does, so it cannot be inverted on the states.
    """
    wide = text_projection.detach().double().cpu()
    singular = torch.linalg.svdvals(wide)
    if wide.shape[1] < wide.shape[0] or singular[0] > WORST_CONDITION * singular[-1]:
        raise ModelError(
            "The text projection of this model cannot be undone, so CCUP's edit cannot be pulled back to its token "
            "states; solve on the states instead (ridge)."
        )
    # W_t Pᵀ W_t⁺ with P = I − s L Rᵀ, without ever forming P.
    left, right = projection.left.double(), projection.right.double()
    change = -(wide @ right) @ (left.T @ torch.linalg.pinv(wide))
    return TokenMap(change.float(), projection.strength)


def ridge(forget: Tensor, targets: Tensor, retain: Tensor, *, lam: float, mu: float, strength: float = 1.0) -> TokenMap:
    """Solve for H on the states themselves.

    Args:
        forget: F (n, width), token states of sentences about the concept.
        targets: T (n, width), the states to map them to.
        retain: R̄ (width, width), mean outer product of the states to keep, ``RᵀR / m``.
        lam: λ, weight of forgetting.
        mu: μ, weight of retaining.
        strength: fraction of the edit to apply, 1 being the full map from F towards T.
    """
    wide, wanted = forget.double(), targets.double()
    count, width = wide.shape
    system = torch.eye(width, dtype=torch.float64) + lam * wide.T @ wide / count + mu * retain.double()
    change = torch.linalg.solve(system, lam * wide.T @ (wanted - wide) / count)
    return TokenMap(change.float(), require_fraction("strength", strength))
