"""CCUP's mathematics: the closed form that gives the projection.

With the forget texts as columns of ``T_f`` and the retain texts as columns of ``T_r``, the projection minimises

    ‖P − I‖² + λ‖P T_f − (1−α) T_f‖² + μ‖P T_r − T_r‖²                                              (consistent)

whose solution, with A = I + μ T_r T_rᵀ, is a rank-m_f change of the identity

    P = I − α T_f (I/λ + T_fᵀ A⁻¹ T_f)⁻¹ T_fᵀ A⁻¹.

Its limit λ→∞, μ=0 is the orthogonal projection off the span of the forget texts, P = I − α U Uᵀ     (nullspace).

A depends on the retain set alone, so :class:`RetainFactor` factors it once; a new concept then costs O(d² m_f), a new
strength nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unlearn.clip.projection import Projection


@dataclass(frozen=True)
class RetainFactor:
    """A = I + μ T_r T_rᵀ, (d, d), as its Cholesky factor: all that the retain set contributes.

    ``removed`` (d, k) are retain texts taken out again without factoring again (Woodbury's identity), so that the
    factor of a whole vocabulary serves every "rest of the vocabulary".
    """

    cholesky: Tensor
    mu: float
    removed: Tensor | None = None

    @classmethod
    def fit(cls, retain: Tensor, mu: float) -> RetainFactor:
        """Factor A for ``retain`` (d, m_r), the retain texts as columns."""
        wide = retain.double()
        return cls.of_gram(wide @ wide.T, mu)

    @classmethod
    def of_gram(cls, gram: Tensor, mu: float) -> RetainFactor:
        """Factor A for retain texts whose T_r T_rᵀ is ``gram`` (d, d), float64."""
        return cls(torch.linalg.cholesky(torch.eye(len(gram), dtype=torch.float64) + mu * gram), mu)

    def without(self, columns: Tensor) -> RetainFactor:
        """The factor of the retain set less ``columns`` (d, k), which must be among its texts."""
        return replace(self, removed=columns.double() if columns.shape[1] else None)

    def solve(self, columns: Tensor) -> Tensor:
        """A⁻¹ @ ``columns``, (d, m)."""
        solved = torch.cholesky_solve(columns, self.cholesky)
        if self.removed is None or not self.mu:
            return solved
        # (A − μ R Rᵀ)⁻¹ = A⁻¹ + W (I/μ − Rᵀ W)⁻¹ Wᵀ  with  W = A⁻¹ R
        w = torch.cholesky_solve(self.removed, self.cholesky)
        inner = torch.eye(w.shape[1], dtype=torch.float64) / self.mu - self.removed.T @ w
        correction: Tensor = w @ torch.linalg.solve(inner, w.T @ columns)
        return solved + correction


def fit(
    forget: Tensor,
    retain: RetainFactor | None = None,
    *,
    lam: float = 1000.0,
    strength: float = 1.0,
) -> Projection:
    """Solve for P.

    Args:
        forget: T_f (d, m_f), unit-norm texts as columns; dependent columns are allowed and change nothing.
        retain: factor of the retain set, or None for the nullspace projection.
        lam: λ; unused without ``retain``.
        strength: α.

    Returns:
        The projection, float32. Computed in float64: the system's condition grows with λ and μ.
    """
    unique = torch.unique(forget.double(), dim=1)  # a concept named twice is not twice as important
    basis, singular = _directions(unique)
    if retain is None:
        return Projection(basis.float(), basis.float(), strength)
    texts = basis * singular
    solved = retain.solve(texts)
    gram = torch.eye(texts.shape[1], dtype=torch.float64) / lam + texts.T @ solved
    # right = A⁻¹ T_f G⁻¹ with G = I/λ + T_fᵀ A⁻¹ T_f, which is symmetric positive definite.
    right = torch.cholesky_solve(solved.T, torch.linalg.cholesky(gram)).T
    # Balanced scaling keeps both factors near unit size in float32.
    return Projection((texts / singular).float(), (right * singular).float(), strength)


def _directions(columns: Tensor) -> tuple[Tensor, Tensor]:
    """Left singular vectors (d, r) and values (r,) of ``columns``, without the numerically null ones."""
    u, s, _ = torch.linalg.svd(columns, full_matrices=False)
    keep = s > s[0] * 1e-5
    return u[:, keep], s[keep]
