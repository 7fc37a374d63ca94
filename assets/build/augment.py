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
    kind = torch.rand(n, device=device)
    first, second = torch.rand(2, n, 3, 1, 1, device=device)
    axis = torch.linspace(0, 1, size, device=device)
    turn = _uniform(n, 0, 2 * math.pi, device).view(n, 1, 1, 1)
    ramp = ((axis.view(1, 1, 1, -1) - 0.5) * torch.cos(turn) + (axis.view(1, 1, -1, 1) - 0.5) * torch.sin(turn) + 0.7) / 1.4
    blobs = F.interpolate(torch.rand(n, 3, 5, 5, device=device), size=size, mode="bicubic").clamp(0, 1)
    rough = F.interpolate(torch.rand(n, 1, size // 4, size // 4, device=device), size=size, mode="bilinear") - 0.5
    crops = textures[torch.randint(len(textures), (n,), device=device)]
    top, left = (int(torch.randint(crops.shape[-1] - size + 1, ())) for _ in range(2))
    crops = crops[..., top : top + size, left : left + size]
    share = (1 - white) / 5
    out = torch.ones(n, 3, size, size, device=device)
    for index, fill in enumerate(
        (
            first.expand(-1, -1, size, size),
            first * ramp + second * (1 - ramp),
            blobs,
            (blobs * 0.6 + 0.2 + rough * 0.6).clamp(0, 1),
            (crops * (0.4 + 1.2 * first)).clamp(0, 1),
        )
    ):
        chosen = (kind >= white + index * share) & (kind < white + (index + 1) * share)
        out = torch.where(chosen.view(n, 1, 1, 1), fill, out)
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
    """Blur some, add noise to some, cover a patch of some."""
    n, device, size = len(rgb), rgb.device, rgb.shape[-1]
    small = F.interpolate(F.avg_pool2d(rgb, 3, ceil_mode=True), size=size, mode="bilinear")
    rgb = torch.where(torch.rand(n, 1, 1, 1, device=device) < how.blur, small, rgb)
    strength = torch.rand(n, 1, 1, 1, device=device) * (torch.rand(n, 1, 1, 1, device=device) < how.noise) * 0.1
    rgb = (rgb + torch.randn_like(rgb) * strength).clamp(0, 1)
    axis = torch.arange(size, device=device)
    width = _uniform(n, 0.1, 0.3, device) * size * (torch.rand(n, device=device) < how.cutout)
    left, top = torch.rand(2, n, 1, device=device) * size
    across = (axis >= left) & (axis < left + width[:, None])
    down = (axis >= top) & (axis < top + width[:, None])
    patch = (down[:, None, :, None] & across[:, None, None, :]).expand(-1, 3, -1, -1)
    return torch.where(patch, torch.rand(n, 3, 1, 1, device=device), rgb)


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
