"""BLIP's contrastive head (Li et al. 2022) behind open_clip's interface, so that every eraser of CLIP works on it too.

Importing this module loads transformers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import open_clip
import torch
import transformers
from torch import Tensor

from unlearn.clip.architectures import BlipOptions
from unlearn.clip.assembly import Built, count_affordable, require_as_many
from unlearn.clip.repositories import Files
from unlearn.clip.tokenizer_files import find_tokenizer, load_tokenizer, read_checked, write_tokenizer
from unlearn.errors import ModelError

CONTEXT_LENGTH = 35  # as in BLIP's training on captions
CONFIG, WEIGHTS = "config.json", "model.safetensors"


class BlipContrastive(transformers.BlipForImageTextRetrieval):  # type: ignore[no-untyped-call]
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


@dataclass(frozen=True)
class BlipParts:
    """The parts of a BLIP model: its checked configuration, its weights file, and its tokenizer's files by name."""

    config: BlipOptions
    weights: Path
    tokenizer: Mapping[str, Path]


def find_blip(files: Files) -> BlipParts:
    """Find the parts of the BLIP model among ``files``.

    Raises:
        ModelError: a file is missing, or the configuration has a value that is not allowed.
    """
    config = read_checked(BlipOptions, files.fetch(CONFIG))
    tokenizer = find_tokenizer(files)
    return BlipParts(config, files.fetch(WEIGHTS), tokenizer)


def build_blip(parts: BlipParts) -> Built:
    """Build the model of ``parts``, its preprocessing and its tokenizer.

    Raises:
        ModelError: weights are missing, as in a BLIP trained for another task, or the model is too large.
        Others: any error of transformers.
    """
    options = transformers.BlipConfig(**parts.config.options())
    require_as_many(parts.weights, count_affordable(lambda: BlipContrastive(options)))
    with TemporaryDirectory(prefix="unlearn-model-") as name:
        folder = Path(name)
        (folder / WEIGHTS).symlink_to(parts.weights.resolve())
        options.save_pretrained(folder)
        loaded: Any = BlipContrastive.from_pretrained(folder, use_safetensors=True, output_loading_info=True)
        write_tokenizer(parts.tokenizer, folder)
        tokenizer = load_tokenizer(folder, CONTEXT_LENGTH)
    model, report = loaded
    if missing := sorted(report["missing_keys"]):
        raise ModelError(f"Its weights lack {missing[0]}.")  # transformers would initialise them randomly
    side = model.config.vision_config.image_size
    return model, open_clip.image_transform(side, is_train=False, resize_mode="squash"), tokenizer
