"""Closed form of CCUP's projection, as in the paper.

With the forget texts as columns of ``T_f`` and the retain texts as columns of ``T_r``, the projection minimises

    ‖P − I‖² + λ‖P T_f − (1−α) T_f‖² + μ‖P T_r − T_r‖²                                              (consistent)

whose solution, with A = I + μ T_r T_rᵀ, is a rank-m_f change of the identity

    P = I − α T_f (I/λ + T_fᵀ A⁻¹ T_f)⁻¹ T_fᵀ A⁻¹.

Its limit λ→∞, μ=0 is the orthogonal projection off the span of the forget texts, P = I − α U Uᵀ     (nullspace).

A depends only on the retain set, so :class:`RetainFactor` factors it once; another concept then costs O(d² m_f), and
another strength nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unlearn.clip.projection import Projection


@dataclass(frozen=True)
class RetainFactor:
    """Cholesky factor of A = I + μ T_r T_rᵀ, (d, d), the only term that depends on the retain set.

    ``removed`` (d, k) are retain texts that Woodbury's identity removes without another factorisation, so that the
    factor of a whole vocabulary serves for every retain set that is the vocabulary without a few names.
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
        """Factor A from ``gram`` = T_r T_rᵀ, (d, d), float64."""
        return cls(torch.linalg.cholesky(torch.eye(len(gram), dtype=torch.float64) + mu * gram), mu)

    def without(self, columns: Tensor) -> RetainFactor:
        """Return the factor of the retain set without ``columns`` (d, k), which must be among its texts."""
        return replace(self, removed=columns.double() if columns.shape[1] else None)

    def solve(self, columns: Tensor) -> Tensor:
        """Return A⁻¹ @ ``columns``, (d, m)."""
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
        forget: T_f (d, m_f), unit-norm texts as columns; linearly dependent columns are allowed.
        retain: factor of the retain set, or None for the nullspace projection.
        lam: λ; has no effect without ``retain``.
        strength: α.

    Returns:
        The projection, float32. It is computed in float64 because the condition number grows with λ and μ.
    """
    unique = torch.unique(forget.double(), dim=1)  # naming a concept twice must not double its weight
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
    """Return left singular vectors (d, r) and singular values (r,) of ``columns``, except near-zero ones."""
    u, s, _ = torch.linalg.svd(columns, full_matrices=False)
    keep = s > s[0] * 1e-5
    return u[:, keep], s[keep]
