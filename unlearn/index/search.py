"""Searching an index before and after an erasure, without encoding an image again.

CCUP turns an image's embedding f into f P, brought back to unit length. The cosine with a text t is then

    (f P) · t / ‖f P‖ = f · (P t) / ‖f P‖,    ‖f P‖² = 1 − 2 α (f L) · (f R) + α² (f L) (Rᵀ R) (f L)ᵀ,

with P = I − α L Rᵀ: the query becomes P t, and the norms follow from f's products with the few columns of L and R. The
rows on disk stay as they are, whatever is erased.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unlearn.clip.encoders import (
    NO_SIMILARITY,
    NOTHING_LEFT,
    OpenClipEncoder,
    TextImageEncoder,
)
from unlearn.clip.projection import Projection
from unlearn.errors import ModelError, PictureError
from unlearn.evaluation.retrieval import Hit, best
from unlearn.index.codes import read_codes
from unlearn.index.store import Store

#: Rows that the codes put first and that are then scored exactly: enough for recall, see docs/measured.md.
CANDIDATES = 4_000
CHUNK = 16_384
#: What rounding may make of 1.
LARGEST_COSINE = 1.001


@dataclass(frozen=True)
class Query:
    """A text, and the edit that images are seen through.

    Attributes:
        text: its embedding under the edit, (d,); zeros if the edit left nothing of it.
        projection: P where the edit acts on images, else None.
    """

    text: Tensor
    projection: Projection | None = None

    @classmethod
    def of(cls, encoder: TextImageEncoder, text: str, templates: Sequence[str]) -> Query:
        """``text`` as ``encoder`` sees it; a bare word is put into the templates, as a class is."""
        on_images = [edit.projection for edit in encoder.edits if edit.side != "text" and edit.projection.strength]
        return cls(encoder.text_features([text], templates)[0], on_images[0] if on_images else None)

    @cached_property
    def direction(self) -> Tensor:
        """P t, (d,): its inner product with a row of the unedited index is the edited score but for a norm."""
        return self.projection.on_texts(self.text[None])[0] if self.projection else self.text

    def scores(self, rows: Tensor) -> Tensor:
        """Cosine of the edited ``rows`` (n, d) with the text: (n,); ``NO_SIMILARITY`` where nothing is left.

        A damaged row, whose product with the text is no number or no cosine, comes last too.
        """
        if not self.text.any():
            return torch.full((len(rows),), NO_SIMILARITY)
        scores = self._cosines(rows)
        return torch.where(scores.abs() <= LARGEST_COSINE, scores, NO_SIMILARITY)  # of NaN, nothing is true

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
class PictureIndex:
    """An index opened for searching."""

    store: Store
    codes: Any | None = None

    @classmethod
    def open(cls, folder: str | Path) -> PictureIndex:
        """Read an index that ``python -m unlearn index`` made.

        Raises:
            PictureError: there is none, or it is damaged.
        """
        store = Store.open(folder)
        return cls(store, read_codes(store))

    def answers(self, encoder: TextImageEncoder) -> bool:
        """Whether the embeddings are those of ``encoder``, or of the model that it is CCUP's edit of."""
        base = encoder.unedited if len(encoder.edits) <= 1 else None
        return isinstance(base, OpenClipEncoder) and base.sha256 == self.store.header.sha256

    def find(self, encoder: TextImageEncoder, text: str, templates: Sequence[str], k: int = 10) -> list[Hit]:
        """The ``k`` images closest to ``text``, best first.

        Args:
            encoder: the model that made the index, or CCUP's edit of it.
            text: any words.
            templates: what they are put into.

        Raises:
            ModelError: the embeddings are another model's.
            PictureError: the index is damaged.
        """
        if not self.answers(encoder):
            raise ModelError(
                f"The index holds what “{self.store.header.model}” saw in the pictures. Another model, or one whose "
                "weights CLIPErase has changed, would have to see them again; CCUP's edits need not."
            )
        self.require_fit(encoder)
        return self.search(Query.of(encoder, text, templates), k)

    def require_fit(self, encoder: TextImageEncoder) -> None:
        """Nothing, if rows are as wide as the embeddings of ``encoder``, whose weights made them.

        Raises:
            PictureError: they are not.
        """
        width = self.store.header.embed_dim
        if width != encoder.embed_dim:
            raise PictureError(
                f"The index in “{self.store.folder}” is damaged: it says that a row has {width:,} numbers, and "
                f"“{encoder.name}” makes {encoder.embed_dim:,}. Make it again with python -m unlearn index."
            )

    def search(self, query: Query, k: int = 10) -> list[Hit]:
        """As :meth:`find`. Exact where there are no codes; with them, exact among ``CANDIDATES``."""
        if self.codes is None:
            return self.search_all(query, k)
        _, found = self.codes.search(query.direction[None].numpy(), min(max(CANDIDATES, k), len(self.store)))
        rows = torch.from_numpy(found[0]).sort().values  # in the order of the disk
        rows = rows[(rows >= 0) & (rows < len(self.store))]  # −1 stands for none
        return best(query.scores(self.store.embeddings[rows]), rows, k)

    def search_all(self, query: Query, k: int = 10) -> list[Hit]:
        """Exact: every row is scored, a chunk after the other."""
        embeddings = self.store.embeddings
        chunks = [embeddings[start : start + CHUNK] for start in range(0, len(embeddings), CHUNK)]
        scores = torch.cat([query.scores(chunk) for chunk in chunks or [embeddings]])
        return best(scores, torch.arange(len(scores)), k)
