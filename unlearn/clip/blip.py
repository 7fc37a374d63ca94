"""BLIP's contrastive head (Li et al. 2022) behind open_clip's interface, so that every eraser of CLIP works on it too.

Importing this module loads transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import open_clip
import transformers

from unlearn import clip
from unlearn.clip.assembly import Built, count_affordable, require_as_many
from unlearn.clip.repositories import Files
from unlearn.clip.tokenizer_files import find_tokenizer, load_tokenizer, read_checked, write_tokenizer
from unlearn.clip.transformers_configs import BlipOptions
from unlearn.errors import ModelError

CONTEXT_LENGTH = 35  # as in BLIP's training on captions
CONFIG, WEIGHTS = "config.json", "model.safetensors"


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
    towers = clip.blip_towers.BlipTowers
    options = transformers.BlipConfig(**parts.config.options())
    require_as_many(parts.weights, count_affordable(lambda: towers(options)))
    with TemporaryDirectory(prefix="unlearn-model-") as name:
        folder = Path(name)
        (folder / WEIGHTS).symlink_to(parts.weights.resolve())
        options.save_pretrained(folder)
        loaded: Any = towers.from_pretrained(folder, use_safetensors=True, output_loading_info=True)
        write_tokenizer(parts.tokenizer, folder)
        tokenizer = load_tokenizer(folder, CONTEXT_LENGTH)
    model, report = loaded
    if missing := sorted(report["missing_keys"]):
        raise ModelError(f"Its weights lack {missing[0]}.")  # transformers would initialise them randomly
    side = model.config.vision_config.image_size
    return model, open_clip.image_transform(side, is_train=False, resize_mode="squash"), tokenizer
