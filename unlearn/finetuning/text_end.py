"""The last blocks of CLIP's text tower, run on the states that enter them, without the padding.

Attention is causal, so no state depends on what follows it, and a text's embedding is read from its end token: states
after that token change nothing. Names of a few tokens are so trained, and embedded, on a tenth of the context.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from unlearn.clip.final_projections import FinalProjection, find_projection
from unlearn.clip.text_encoding import causal_tower, end_positions


@dataclass(frozen=True, eq=False)
class TextEnd:
    """The last blocks of ``model``'s text tower, the final norm and the projection.

    Attributes:
        tower: the text tower, from :func:`unlearn.clip.text_encoding.causal_tower`.
        first: number of the first of these blocks.
        projection: the tower's final projection.
    """

    tower: Any
    first: int
    projection: FinalProjection

    @classmethod
    def of(cls, model: nn.Module, blocks: int) -> TextEnd | None:
        """Return the last ``blocks`` blocks; None if the tower is not causal or reads another token."""
        tower, projection = causal_tower(model), find_projection(model, "text")
        if tower is None or projection is None:
            return None
        return cls(tower, max(0, len(tower.transformer.resblocks) - blocks), projection)

    def states(self, tokens: Tensor) -> list[Tensor]:
        """Return the states (length, width) that enter the blocks, for token ids (n, context), up to the end token."""
        lengths = (end_positions(self.tower, tokens) + 1).tolist()
        longest = max(lengths)
        dtype = self.tower.transformer.get_cast_dtype()
        embedded = self.tower.token_embedding(tokens[:, :longest]).to(dtype)
        states = self._run(embedded + self.tower.positional_embedding[:longest].to(dtype), 0, self.first)
        return [row[:length].float() for row, length in zip(states, lengths, strict=True)]

    def features(self, padded: Tensor, lengths: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the texts' embeddings (n, embed_dim), not normalised.

        Args:
            padded: the states of :meth:`states`, (n, longest, width); what follows the end token is arbitrary.
            lengths: the number of tokens of each text, (n,).
            weights: tensors by their names in the model, the projection's among them.
        """
        states = self._run(padded.to(self.tower.transformer.get_cast_dtype()), self.first, None)
        ends = states[torch.arange(len(states), device=states.device), lengths.to(states.device) - 1]
        return self.projection.features(weights, self.tower.ln_final(ends))

    def _run(self, states: Tensor, start: int, stop: int | None) -> Tensor:
        transformer, length = self.tower.transformer, states.shape[1]
        mask = self.tower.attn_mask[:length, :length].to(states.device)
        if not transformer.batch_first:
            states = states.transpose(0, 1)
        for block in transformer.resblocks[start:stop]:
            states = block(states, attn_mask=mask)
        return states if transformer.batch_first else states.transpose(0, 1)


def pack(rows: list[Tensor]) -> Tensor:
    """Return ``rows`` (length, width) as one tensor (n, longest, width + 1), whose last column marks the tokens."""
    marked = [torch.cat([row, torch.ones_like(row[:, :1])], dim=1) for row in rows]
    return pad_sequence(marked, batch_first=True)


def unpack(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Return the padded states (n, longest, width) and the lengths (n,) of what :func:`pack` packed."""
    return packed[..., :-1], packed[..., -1].sum(dim=1).round().long()
