"""BLIP's contrastive head (Li et al. 2022) behind open_clip's interface, so that whatever edits a CLIP edits it too.

Importing this file loads transformers.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import open_clip
import torch
from huggingface_hub import snapshot_download
from torch import Tensor
from transformers import BlipForImageTextRetrieval

CONTEXT_LENGTH = 35  # of BLIP's training on captions
FILES = ["*.json", "*.txt", "model.safetensors"]
WEIGHTS = "model.safetensors"


class BlipContrastive(BlipForImageTextRetrieval):  # type: ignore[no-untyped-call]
    """The two towers and their projections under the names that they have in transformers; nothing else is kept."""

    _keys_to_ignore_on_load_unexpected = ["itm_head", "crossattention"]  # noqa: RUF012  transformers says how

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        # Only the matching head looks at both modalities at once.
        del self.itm_head
        for layer in self.text_encoder.encoder.layer:
            if hasattr(layer, "crossattention"):
                del layer.crossattention
        self.padding = config.text_config.pad_token_id

    @property
    def logit_scale(self) -> Tensor:
        """Logarithm of the scale that BLIP's training starts from: transformers' checkpoints lack the learned one."""
        return torch.tensor(-math.log(0.07))

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Embed pictures (n, 3, height, width): (n, embed_dim), not normalised."""
        hidden = self.vision_model(pixel_values=pixels).last_hidden_state
        features: Tensor = self.vision_proj(hidden[:, 0])
        return features

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Embed padded texts (n, context): (n, embed_dim), not normalised."""
        mask = tokens != self.padding
        hidden = self.text_encoder(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
        features: Tensor = self.text_proj(hidden[:, 0])
        return features


def fetch_blip(repository: str) -> Path:
    """The weights file of a hub's repository, and beside it what else is read; only safetensors are fetched."""
    return Path(snapshot_download(repository, allow_patterns=FILES)) / WEIGHTS


def build_blip(folder: Path) -> tuple[BlipContrastive, Any, Any]:
    """The model in ``folder``, its preprocessing and its tokenizer.

    Raises:
        ValueError: weights are missing, as in a BLIP that was trained for something else.
        Others: whatever the files and transformers raise.
    """
    loaded: Any = BlipContrastive.from_pretrained(folder, use_safetensors=True, output_loading_info=True)
    model, report = loaded
    if missing := sorted(report["missing_keys"]):
        raise ValueError(f"its weights lack {missing[0]}")  # transformers would go on with random ones
    side = model.config.vision_config.image_size
    preprocess = open_clip.image_transform(side, is_train=False, resize_mode="squash")
    return model, preprocess, open_clip.tokenizer.HFTokenizer(str(folder), context_length=CONTEXT_LENGTH)
