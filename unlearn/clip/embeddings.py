"""Embeddings of unit norm and their cosines, where an edit left nothing of some, or rounding alone tells two apart."""

from __future__ import annotations

import torch
from torch import Tensor

from unlearn.errors import ModelError

#: An edited embedding with a norm below this (unit norm before the edit) has no meaningful direction left.
NOTHING_LEFT = 0.1
#: Similarity assigned to an embedding of zeros: the lowest possible cosine, so it ranks last.
NO_SIMILARITY = -1.0
#: Numerical precision of similarities of float32 embeddings; scores that differ by less are tied. If a projection maps
#: a name to zero, all its scores are 0 up to rounding, and their order has no meaning.
RESOLUTION = 1e-6


def unit_or_zero(features: Tensor) -> Tensor:
    """Normalise rows of (n, d) to unit length; rows shorter than ``NOTHING_LEFT`` become zero.

    Raises:
        ModelError: some values are not finite.
    """
    norms = features.norm(dim=-1, keepdim=True)
    if not bool(norms.isfinite().all()):
        raise ModelError("The edit makes embeddings that are not finite numbers; its values are too large to be used.")
    return torch.where(norms < NOTHING_LEFT, torch.zeros_like(features), features / norms.clamp_min(1e-12))


def similarity(rows: Tensor, columns: Tensor) -> Tensor:
    """Return the cosine of each of ``rows`` (n, d) with each of ``columns`` (m, d): (n, m).

    An embedding of zeros, of which an edit left nothing, gets ``NO_SIMILARITY`` with everything; so does an embedding
    with values that are not finite.
    """
    scores = rows @ columns.T
    gone = ~rows.any(dim=-1, keepdim=True) | ~columns.any(dim=-1)
    return finite_or_last(scores.masked_fill(gone, NO_SIMILARITY))


def finite_or_last(scores: Tensor) -> Tensor:
    """Replace NaN and infinities in ``scores`` by ``NO_SIMILARITY``.

    NaN compares neither greater nor less than any score, so it could come first in one ranking and last in another.
    """
    return scores.masked_fill(~scores.isfinite(), NO_SIMILARITY)


def says_nothing(scores: Tensor) -> Tensor:
    """Return whether each row of scores (…, n) is that of an erased embedding: ``NO_SIMILARITY``, or 0 up to rounding.

    The result is boolean, (…,).
    """
    return ((scores == NO_SIMILARITY) | (scores.abs() <= RESOLUTION)).all(dim=-1)
