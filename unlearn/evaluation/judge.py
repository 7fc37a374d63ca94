"""A judge that was never edited: a small network, trained apart from every CLIP here, says what a drawing shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from unlearn.config import ASSETS

JUDGE = ASSETS / "models" / "judge"
JUDGE_SIZE = 64


def build(labels: int) -> nn.Module:
    """The untrained network: a narrow residual network for pictures of 64 x 64."""
    from timm.models.resnet import BasicBlock, ResNet

    block: Any = BasicBlock  # annotated by timm as an instance
    return ResNet(block, (1, 1, 1, 1), num_classes=labels, channels=(32, 64, 128, 192), stem_width=32)


@dataclass(frozen=True, eq=False)
class Judge:
    """What a network trained on drawings says that pictures show."""

    model: nn.Module
    labels: tuple[str, ...]

    @torch.inference_mode()
    def scores(self, pictures: Sequence[Image.Image]) -> Tensor:
        """Probability of every label in every picture: (n, labels)."""
        small = [
            picture.convert("RGB").resize((JUDGE_SIZE, JUDGE_SIZE), Image.Resampling.BILINEAR) for picture in pictures
        ]
        pixels = torch.from_numpy(np.stack([np.asarray(picture) for picture in small])).permute(0, 3, 1, 2)
        probabilities: Tensor = self.model(pixels.float() / 127.5 - 1).softmax(dim=-1)
        return probabilities

    def sees(self, pictures: Sequence[Image.Image], concept: str, *, k: int = 5) -> Tensor:
        """Whether ``concept`` is among the first ``k`` labels of each picture: (n,) bool."""
        top = self.scores(pictures).topk(k, dim=-1).indices
        return (top == self.labels.index(concept)).any(dim=-1)


@lru_cache(maxsize=1)
def load_judge() -> Judge:
    """The embedded judge."""
    from safetensors.torch import load_file

    labels = tuple(json.loads((JUDGE / "labels.json").read_text(encoding="utf-8")))
    model = build(len(labels))
    model.load_state_dict(
        {k: v.float() if v.is_floating_point() else v for k, v in load_file(JUDGE / "model.safetensors").items()}
    )
    return Judge(model.eval().requires_grad_(False), labels)
