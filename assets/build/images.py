"""The pictures of one or more drawing styles as tensors, and batches of augmented scenes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from augment import Augmentation, scenes
from drawings import Drawing, drawings, rasterise_all
from fetch import ICON_SETS, IconSet
from PIL import Image
from skimage import data_dir
from texts import labels
from torch import Tensor

CANVAS = 192
TEXTURES = ("grass.png", "gravel.png", "brick.png")


@dataclass(frozen=True, eq=False)
class Images:
    """Drawings (n, CANVAS, CANVAS, 4) uint8, their labels (n,), and which of them come in one colour (n,)."""

    rgba: Tensor
    labels: Tensor
    tinted: Tensor
    drawings: tuple[Drawing, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Images:
        """The same pictures on ``device``."""
        return Images(self.rgba.to(device), self.labels.to(device), self.tinted.to(device), self.drawings)


@cache
def load_images(icon_sets: Sequence[IconSet] = ICON_SETS) -> Images:
    """Every drawing of a concept in ``icon_sets``."""
    found = [(drawing, icon_set.monochrome) for icon_set in icon_sets for drawing in drawings(icon_set)]
    names = labels().names[: labels().concepts]
    return Images(
        torch.from_numpy(rasterise_all((drawing for drawing, _ in found), CANVAS)),
        torch.tensor([names.index(drawing.concept) for drawing, _ in found]),
        torch.tensor([monochrome for _, monochrome in found]),
        tuple(drawing for drawing, _ in found),
    )


@cache
def textures() -> Tensor:
    """scikit-image's photographs of grass, gravel and brick, as backgrounds: (3, 3, 288, 288)."""
    photos = [Image.open(f"{data_dir}/{name}").convert("RGB").resize((288, 288)) for name in TEXTURES]
    return torch.from_numpy(np.stack([np.asarray(photo) for photo in photos])).permute(0, 3, 1, 2).float() / 255


def batch(images: Images, indices: Tensor, how: Augmentation, pairs: float = 0.1) -> tuple[Tensor, Tensor]:
    """Augmented pictures normalised for the model, and their labels; a share ``pairs`` shows a second thing.

    Returns:
        pictures (n, 3, size, size) in -1..1 and labels (n, 2), both columns the same where there is one thing.
    """
    count = int(len(indices) * pairs)
    other = indices[torch.randperm(len(indices))[:count]]
    two, one = indices[:count], indices[count:]
    photographic = textures().to(images.rgba.device)
    parts = [scenes(images.rgba[one], images.tinted[one], photographic, how)]
    if count:
        parts.insert(0, scenes(images.rgba[two], images.tinted[two], photographic, how, images.rgba[other]))
    shown = torch.cat([two, one])
    beside = torch.cat([other, one])
    return torch.cat(parts) * 2 - 1, torch.stack([images.labels[shown], images.labels[beside]], 1)
