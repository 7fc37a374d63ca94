"""The network of a BLIP model: transformers' own, which takes a second to import, without what CLIP has no part for."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from transformers import BlipForImageTextRetrieval


class BlipTowers(BlipForImageTextRetrieval):  # type: ignore[no-untyped-call]
    """The two towers and their projections under transformers' names; the other parts of BLIP are dropped."""

    _keys_to_ignore_on_load_unexpected = ["itm_head", "crossattention"]  # noqa: RUF012  required by transformers

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        # Only the matching head combines both modalities.
        del self.itm_head
        for layer in self.text_encoder.encoder.layer:
            if hasattr(layer, "crossattention"):
                del layer.crossattention
        self.padding = config.text_config.pad_token_id
        self.vocab_size: int = config.text_config.vocab_size

    @property
    def logit_scale(self) -> Tensor:
        """The initial logarithmic scale of BLIP's training: transformers' checkpoints lack the learned value."""
        return torch.tensor(-math.log(0.07))

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Embed images (n, 3, height, width): (n, embed_dim), not normalised."""
        hidden = self.vision_model(pixel_values=pixels).last_hidden_state
        features: Tensor = self.vision_proj(hidden[:, 0])
        return features

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Embed padded texts (n, context): (n, embed_dim), not normalised."""
        mask = tokens != self.padding
        hidden = self.text_encoder(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
        features: Tensor = self.text_proj(hidden[:, 0])
        return features
