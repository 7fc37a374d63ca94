"""Judge of drawn images: a small network, never edited and never used for drawing, that names what an image shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from unlearn.files.assets import ASSETS

JUDGE = ASSETS / "models" / "judge"
JUDGE_SIZE = 96
STAGES = 5


class JudgeNetwork(nn.Module):
    """First stages of EfficientNet-Lite0, which detect edges, textures and parts, and a head that names the whole.

    Args:
        labels: number of labels that it distinguishes.
    """

    def __init__(self, labels: int) -> None:
        super().__init__()
        whole: Any = timm.create_model("tf_efficientnet_lite0")
        self.stem, self.stages = nn.Sequential(whole.conv_stem, whole.bn1), whole.blocks[:STAGES]
        width = 2 * (40 + 80 + 112)  # mean and maximum of the channels of the last three stages
        self.head = nn.Sequential(nn.BatchNorm1d(width), nn.Linear(width, 640), nn.GELU(), nn.Linear(640, labels))

    def features(self, pixels: Tensor) -> Tensor:
        """Mean and maximum of every channel of the last three stages, (n, 464), for pixels (n, 3, 96, 96) in -1..1."""
        hidden, parts = self.stem(pixels), []
        for number, stage in enumerate(self.stages):
            hidden = stage(hidden)
            if number >= STAGES - 3:
                parts += [hidden.mean((2, 3)), hidden.amax((2, 3))]
        return torch.cat(parts, dim=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits, (n, labels)."""
        logits: Tensor = self.head(self.features(pixels))
        return logits


@dataclass(frozen=True, eq=False)
class Judge:
    """A network trained on drawings that scores which labels images show."""

    model: nn.Module
    labels: tuple[str, ...]

    @torch.inference_mode()
    def scores(self, images: Sequence[Image.Image]) -> Tensor:
        """Probability of every label in every image: (n, labels)."""
        sizes = (JUDGE_SIZE, JUDGE_SIZE)
        small = [image.convert("RGB").resize(sizes, Image.Resampling.BILINEAR) for image in images]
        pixels = torch.from_numpy(np.stack([np.asarray(image) for image in small])).permute(0, 3, 1, 2)
        probabilities: Tensor = self.model(pixels.float() / 127.5 - 1).softmax(dim=-1)
        return probabilities

    def first_labels(self, images: Sequence[Image.Image], k: int = 5) -> list[list[str]]:
        """The ``k`` most probable labels of every image, best first."""
        top = self.scores(images).topk(k, dim=-1).indices.tolist()
        return [[self.labels[index] for index in row] for row in top]


@lru_cache(maxsize=1)
def load_judge() -> Judge:
    """Load the embedded judge."""
    labels = tuple(json.loads((JUDGE / "labels.json").read_text(encoding="utf-8")))
    model = JudgeNetwork(len(labels))
    weights = load_file(JUDGE / "model.safetensors")
    model.load_state_dict({key: t.float() if t.is_floating_point() else t for key, t in weights.items()})
    return Judge(model.eval().requires_grad_(False), labels)
