"""Results as functions of an edit's strength s: a page can follow its slider without the model.

A closed-form edit of the image side moves an image embedding x along a line, x(s) = x − s · d with d = (x L) Rᵀ, and
leaves the text embeddings t alone. The cosine with each text is then (x·t − s · d·t) / |x(s)|.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn.clip.encoders import EditedEncoder, TextImageEncoder
from unlearn.clip.projection import Projection


@dataclass(frozen=True, eq=False)
class LineOfScores:
    """Scores of n images with c labels at strength s: ``start + s · slope`` (n, c), before the division by |x(s)|.

    Attributes:
        squared_norm: coefficients of 1, s and s² in |x(s)|², (3, n).
    """

    start: Tensor
    slope: Tensor
    squared_norm: Tensor

    @classmethod
    def of(cls, edit: Projection, images: Tensor, texts: Tensor) -> LineOfScores:
        """Return the scores of unedited image embeddings (n, d) with text embeddings (c, d)."""
        moved = images - edit.at(1.0).on_images(images)
        norm = torch.stack([(images * images).sum(-1), -2 * (images * moved).sum(-1), (moved * moved).sum(-1)])
        return cls(images @ texts.T, -moved @ texts.T, norm)

    def probabilities(self, strength: float, logit_scale: float) -> Tensor:
        """Return the probability of each label, (n, c): what the page computes, and the reference for it."""
        constant, linear, square = self.squared_norm
        norm = (constant + strength * linear + strength**2 * square).sqrt()
        cosines: Tensor = (self.start + strength * self.slope) / norm[:, None]
        return (logit_scale * cosines).softmax(dim=-1)

    def top1(self, targets: Tensor, strengths: Tensor) -> Tensor:
        """Return whether each image's own label (n,) comes first at each of ``strengths`` (m,), as (n, m)."""
        lowest, highest = self._leading(targets)
        return (lowest[:, None] < strengths) & (strengths < highest[:, None])

    def _leading(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the strengths between which each image's own label comes first, two bounds (n,).

        The division by |x(s)| changes no order, so each other label sets one bound; a tie counts against the label.
        """
        ahead, gain = (values.gather(1, targets[:, None]) - values for values in (self.start, self.slope))
        other = torch.ones_like(ahead, dtype=torch.bool).scatter(1, targets[:, None], False)
        bound, never = -ahead / gain, other & (gain == 0) & (ahead <= 0)
        lowest = bound.masked_fill(~other | (gain <= 0), -torch.inf).amax(dim=1)
        highest = bound.masked_fill(~other | (gain >= 0), torch.inf).amin(dim=1)
        return lowest.masked_fill(never.any(dim=1), torch.inf), highest


def edit_of(encoder: TextImageEncoder) -> Projection | None:
    """Return the edit of ``encoder`` if results can follow its strength: one edit, on the image side."""
    if not isinstance(encoder, EditedEncoder) or encoder.side != "image" or encoder.base.edits:
        return None
    return encoder.projection
