"""CLIPs of a real architecture with random weights, small enough for a test."""

from __future__ import annotations

import open_clip
import torch
from torch import nn

LAYERS = 3
SMALL_VISION = {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16}


def untrained(architecture: str) -> nn.Module:
    """The architecture's own text tower with random weights, its first layers only, over a small image tower."""
    torch.manual_seed(0)
    config = open_clip.get_model_config(architecture)
    text = config["text_cfg"] | {"layers": LAYERS}
    custom = config.get("custom_text") or "EVA" in architecture
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    model = kind(config["embed_dim"], SMALL_VISION, text, quick_gelu=config.get("quick_gelu", False))
    return model.eval().requires_grad_(False)
