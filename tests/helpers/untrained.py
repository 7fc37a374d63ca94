"""Real architectures with random weights, made small: where only shapes and plumbing matter."""

from __future__ import annotations

import open_clip
import torch

from helpers.toy import remember_preprocessing

#: Blocks of a text tower that are kept.
LAYERS = 3
SMALL_VISION = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16}


def untrained_text_tower(architecture: str, *, narrower: int = 1) -> torch.nn.Module:
    """The architecture's own text tower with random weights, its first layers only, over a small image tower.

    ``narrower`` divides its widths: 8 keeps what tells architectures apart, at a sixtieth of the work.
    """
    torch.manual_seed(0)
    config = open_clip.get_model_config(architecture)
    text = config["text_cfg"] | {"layers": LAYERS, "width": config["text_cfg"]["width"] // narrower}
    config["embed_dim"] //= narrower
    custom = config.get("custom_text") or "EVA" in architecture
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    model = kind(config["embed_dim"], SMALL_VISION, text, quick_gelu=config.get("quick_gelu", False))
    return model.eval().requires_grad_(False)


def untrained(architecture: str, layers: int = 2) -> torch.nn.Module:
    """The architecture with random weights and its first ``layers`` blocks in each tower."""
    torch.manual_seed(0)
    config = open_clip.get_model_config(architecture)
    for tower in ("vision_cfg", "text_cfg"):
        config[tower] |= {"layers": layers}
    custom = config.pop("custom_text", False)
    model = (open_clip.CustomTextCLIP if custom else open_clip.CLIP)(**config)
    remember_preprocessing(model)
    return model.eval().requires_grad_(False)
