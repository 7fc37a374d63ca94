"""Search in an index before and after an erasure, without encoding an image again.

CCUP maps an image's embedding f to f P, normalised to unit length. The cosine with a text t is then

    (f P) · t / ‖f P‖ = f · (P t) / ‖f P‖,    ‖f P‖² = 1 − 2 α (f L) · (f R) + α² (f L) (Rᵀ R) (f L)ᵀ,

with P = I − α L Rᵀ. The query becomes P t, and the norms follow from the products of f with the few columns of L and R.
The rows on disk do not depend on the erasure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unlearn.clip.embeddings import NO_SIMILARITY, NOTHING_LEFT
from unlearn.clip.encoders import OpenClipEncoder, TextImageEncoder
from unlearn.clip.projection import Projection
from unlearn.errors import ImageError, ModelError
from unlearn.evaluation.retrieval import Hit, best
from unlearn.index.codes import read_codes
from unlearn.index.store import Store

#: Number of rows preselected by the codes and then scored exactly; for the recall, see docs/measured.md.
CANDIDATES = 4_000
CHUNK = 16_384
#: Upper bound of a cosine, with a margin for rounding.
LARGEST_COSINE = 1.001


@dataclass(frozen=True)
class Query:
    """A text, and the edit that applies to the images.

    Attributes:
        text: embedding of the text under the edit, (d,); zeros if the edit left nothing of it.
        projection: P if the edit acts on images, else None.
    """

    text: Tensor
    projection: Projection | None = None

    @classmethod
    def of(cls, encoder: TextImageEncoder, text: str, templates: Sequence[str]) -> Query:
        """Embed ``text`` with ``encoder``; a single word is put into the templates, like a class name."""
        on_images = [edit.projection for edit in encoder.edits if edit.side != "text" and edit.projection.strength]
        return cls(encoder.text_features([text], templates)[0], on_images[0] if on_images else None)

    @cached_property
    def direction(self) -> Tensor:
        """P t, (d,): its inner product with an unedited row is the edited score before normalisation."""
        return self.projection.on_texts(self.text[None])[0] if self.projection else self.text

    def scores(self, rows: Tensor) -> Tensor:
        """Return the cosine of the edited ``rows`` (n, d) with the text, (n,); ``NO_SIMILARITY`` for an erased row.

        A damaged row, whose score is NaN or not a valid cosine, gets ``NO_SIMILARITY`` too.
        """
        if not self.text.any():
            return torch.full((len(rows),), NO_SIMILARITY)
        scores = self._cosines(rows)
        return torch.where(scores.abs() <= LARGEST_COSINE, scores, NO_SIMILARITY)  # False for NaN

    def _cosines(self, rows: Tensor) -> Tensor:
        if self.projection is None:
            return rows @ self.direction
        left, right, rank = self.projection.left, self.projection.right, self.projection.rank
        strength = self.projection.strength
        products = rows @ torch.cat([self.direction[:, None], left, right], dim=1)  # one pass over the rows
        along, f_l, f_r = products[:, 0], products[:, 1 : 1 + rank], products[:, 1 + rank :]
        square = 1 - 2 * strength * (f_l * f_r).sum(1) + strength**2 * ((f_l @ (right.T @ right)) * f_l).sum(1)
        norms = square.clamp_min(0).sqrt()
        return torch.where(norms < NOTHING_LEFT, NO_SIMILARITY, along / norms.clamp_min(NOTHING_LEFT))


@dataclass(frozen=True, eq=False)
class ImageIndex:
    """An index that is open for searching."""

    store: Store
    codes: Any | None = None

    @classmethod
    def open(cls, folder: str | Path) -> ImageIndex:
        """Open an index made by ``python -m unlearn index``.

        Raises:
            ImageError: there is no index, or it is damaged.
        """
        store = Store.open(folder)
        return cls(store, read_codes(store))

    def answers(self, encoder: TextImageEncoder) -> bool:
        """Return True if the embeddings were made by ``encoder``, or by the model of which it is a CCUP edit."""
        base = encoder.unedited if len(encoder.edits) <= 1 else None
        return isinstance(base, OpenClipEncoder) and base.sha256 == self.store.header.sha256

    def find(self, encoder: TextImageEncoder, text: str, templates: Sequence[str], k: int = 10) -> list[Hit]:
        """Return the ``k`` images closest to ``text``, best first.

        Args:
            encoder: the model that made the index, or a CCUP edit of it.
            text: any text.
            templates: prompt templates for the text.

        Raises:
            ModelError: the embeddings were made by another model.
            ImageError: the index is damaged.
        """
        if not self.answers(encoder):
            raise ModelError(
                f"The index holds what “{self.store.header.model}” saw in the pictures. Another model, or one whose "
                "weights CLIPErase has changed, would have to see them again; CCUP's edits need not."
            )
        self.require_fit(encoder)
        return self.search(Query.of(encoder, text, templates), k)

    def require_fit(self, encoder: TextImageEncoder) -> None:
        """Raise unless the rows are as wide as the embeddings of ``encoder``, whose weights made them.

        Raises:
            ImageError: the widths differ.
        """
        width = self.store.header.embed_dim
        if width != encoder.embed_dim:
            raise ImageError(
                f"The index in “{self.store.folder}” is damaged: it says that a row has {width:,} numbers, and "
                f"“{encoder.name}” makes {encoder.embed_dim:,}. Make it again with python -m unlearn index."
            )

    def search(self, query: Query, k: int = 10) -> list[Hit]:
        """Return the ``k`` best images: exact without codes; with codes, exact among ``CANDIDATES`` rows."""
        if self.codes is None:
            return self.search_all(query, k)
        _, found = self.codes.search(query.direction[None].numpy(), min(max(CANDIDATES, k), len(self.store)))
        rows = torch.from_numpy(found[0]).sort().values  # sorted for sequential disk access
        rows = rows[(rows >= 0) & (rows < len(self.store))]  # FAISS pads with −1
        return best(query.scores(self.store.embeddings[rows]), rows, k)

    def search_all(self, query: Query, k: int = 10) -> list[Hit]:
        """Return the ``k`` best images by scoring every row exactly, chunk by chunk."""
        embeddings = self.store.embeddings
        chunks = [embeddings[start : start + CHUNK] for start in range(0, len(embeddings), CHUNK)]
        scores = torch.cat([query.scores(chunk) for chunk in chunks or [embeddings]])
        return best(scores, torch.arange(len(scores)), k)
