"""Turn transparent drawings into training pictures: placed, recoloured, on all kinds of backgrounds, one or two a scene."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """How far a scene may stray from the plain drawing; probabilities are per picture."""

    size: int = 176
    scale: tuple[float, float] = (0.5, 1.15)
    degrees: float = 25.0
    white: float = 0.35
    colour_jitter: float = 0.35
    hue: float = 0.10
    grey: float = 0.08
    blur: float = 0.15
    noise: float = 0.2
    cutout: float = 0.15


def _uniform(n: int, low: float, high: float, device: torch.device) -> Tensor:
    return torch.empty(n, device=device).uniform_(low, high)


def place(rgba: Tensor, size: int, scale: Tensor, angle: Tensor, shift: Tensor, flip: Tensor) -> Tensor:
    """Draw ``rgba`` (n, 4, h, h), alpha premultiplied, scaled, turned and moved onto a ``size`` square: (n, 4, size, size)."""
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    sign = 1.0 - 2.0 * flip
    theta = torch.stack(
        [
            torch.stack([cos * sign, -sin * sign, -(cos * shift[:, 0] - sin * shift[:, 1]) * sign], -1),
            torch.stack([sin, cos, -(sin * shift[:, 0] + cos * shift[:, 1])], -1),
        ],
        1,
    )
    grid = F.affine_grid(theta, [len(rgba), 4, size, size], align_corners=False)
    return F.grid_sample(rgba, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def backgrounds(n: int, size: int, white: float, textures: Tensor, device: torch.device) -> Tensor:
    """White, plain colours, gradients, soft blobs, rough noise and tinted photographic textures: (n, 3, size, size)."""
    out = torch.ones(n, 3, size, size, device=device)
    kinds = torch.multinomial(torch.tensor([white, *[(1 - white) / 5] * 5]), n, replacement=True).to(device)
    axis = torch.linspace(-0.5, 0.5, size, device=device)
    for kind in range(1, 6):
        chosen = (kinds == kind).nonzero().squeeze(1)
        count = len(chosen)
        first, second = torch.rand(2, count, 3, 1, 1, device=device)
        if kind == 1:
            fill = first.expand(-1, -1, size, size)
        elif kind == 2:
            turn = _uniform(count, 0, 2 * math.pi, device).view(count, 1, 1, 1)
            ramp = (axis.view(1, 1, 1, -1) * torch.cos(turn) + axis.view(1, 1, -1, 1) * torch.sin(turn)) / 1.4 + 0.5
            fill = first * ramp + second * (1 - ramp)
        elif kind in (3, 4) and count:
            cells = 5 if kind == 3 else size // 4
            fill = F.interpolate(torch.rand(count, 3, cells, cells, device=device), size=size, mode="bilinear")
            fill = fill if kind == 3 else (first + (fill - 0.5) * second).clamp(0, 1)
        else:
            top, left = (int(torch.randint(textures.shape[-1] - size + 1, ())) for _ in range(2))
            crops = textures[torch.randint(len(textures), (count,)), :, top : top + size, left : left + size]
            fill = (crops * (0.4 + 1.2 * first)).clamp(0, 1)
        out[chosen] = fill
    return out


def recolour(rgb: Tensor, how: Augmentation) -> Tensor:
    """Jitter brightness, contrast, saturation and hue; some pictures go grey."""
    n, device = len(rgb), rgb.device
    jitter = how.colour_jitter

    def factor() -> Tensor:
        return _uniform(n, 1 - jitter, 1 + jitter, device).view(n, 1, 1, 1)

    rgb = rgb * factor()
    mean = rgb.mean((1, 2, 3), keepdim=True)
    rgb = mean + (rgb - mean) * factor()
    grey = rgb.mean(1, keepdim=True)
    saturation = torch.where(torch.rand(n, 1, 1, 1, device=device) < how.grey, 0.0, factor())
    rgb = grey + (rgb - grey) * saturation
    # A turn about the grey axis changes the hue alone.
    angle = _uniform(n, -how.hue, how.hue, device) * 2 * math.pi
    cos, sin = torch.cos(angle), torch.sin(angle)
    a, b = (1 - cos) / 3, sin / math.sqrt(3)
    turn = torch.stack([cos + a, a - b, a + b, a + b, cos + a, a - b, a - b, a + b, cos + a], -1).view(n, 3, 3)
    return torch.einsum("nij,njhw->nihw", turn, rgb).clamp(0, 1)


def degrade(rgb: Tensor, how: Augmentation) -> Tensor:
    """Blur some, add noise to some, cover a patch of some; changes ``rgb`` in place."""
    n, device, size = len(rgb), rgb.device, rgb.shape[-1]
    blurred, noisy, covered = (
        (torch.rand(n, device=device) < share).nonzero().squeeze(1) for share in (how.blur, how.noise, how.cutout)
    )
    if len(blurred):
        rgb[blurred] = F.interpolate(F.avg_pool2d(rgb[blurred], 3, ceil_mode=True), size=size, mode="bilinear")
    strength = torch.rand(len(noisy), 1, 1, 1, device=device) * 0.1
    rgb[noisy] = (rgb[noisy] + torch.randn_like(rgb[noisy]) * strength).clamp(0, 1)
    for index in covered.tolist():
        width = int(_uniform(1, 0.1, 0.3, device) * size)
        top, left = torch.randint(size - width, (2,)).tolist()
        rgb[index, :, top : top + width, left : left + width] = torch.rand(3, 1, 1, device=device)
    return rgb


def scenes(rgba: Tensor, tinted: Tensor, textures: Tensor, how: Augmentation, second: Tensor | None = None) -> Tensor:
    """Augmented pictures of drawings.

    Args:
        rgba: drawings, uint8 (n, h, h, 4) with straight alpha.
        tinted: (n,) bool, drawings in one colour, which may take any.
        textures: photographic textures, float (k, 3, m, m) in 0..1 with m >= ``how.size``.
        second: another drawing a picture, beside the first; None for scenes of one.

    Returns:
        float (n, 3, size, size) in 0..1.
    """
    n, device = len(rgba), rgba.device
    canvas = backgrounds(n, how.size, how.white, textures, device)
    for side, drawing in enumerate([rgba] if second is None else [rgba, second]):
        straight = drawing.permute(0, 3, 1, 2).float() / 255
        colour, alpha = straight[:, :3], straight[:, 3:]
        tint = torch.rand(n, 3, 1, 1, device=device) * (torch.rand(n, 1, 1, 1, device=device) < 0.6)
        colour = torch.where(tinted.view(n, 1, 1, 1), tint, colour) if side == 0 else colour
        scale = _uniform(n, *how.scale, device)
        shift = (torch.rand(n, 2, device=device) * 2 - 1) * (1.1 - scale).clamp(min=0.1)[:, None] * 0.9
        if second is not None:
            scale = scale.clamp(0.45, 0.65)
            shift = torch.stack([_uniform(n, 0.35, 0.5, device) * (1, -1)[side], _uniform(n, -0.4, 0.4, device)], 1)
        angle = torch.randn(n, device=device).clamp(-2, 2) / 2 * math.radians(how.degrees)
        flip = (torch.rand(n, device=device) < 0.5).float()
        placed = place(torch.cat([colour * alpha, alpha], 1), how.size, scale, angle, shift, flip)
        canvas = canvas * (1 - placed[:, 3:]) + placed[:, :3]
    return degrade(recolour(canvas.clamp(0, 1), how), how)
