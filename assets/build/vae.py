"""Train the autoencoder of pocket-diffusion: pictures of 64 x 64 to latents of 8 x 8 x 12 and back."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from drawn import SIZE, paint, random_scene
from torch import Tensor
from tqdm import trange

CHANNELS = (16, 32, 64, 96)
LATENTS = 12
SAVE_EVERY = 250


def build() -> AutoencoderKL:
    """An untrained autoencoder."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(CHANNELS),
        up_block_types=("UpDecoderBlock2D",) * len(CHANNELS),
        block_out_channels=CHANNELS,
        layers_per_block=1,
        # Four channels a group at the least: with one, a plain colour would be normalised away.
        norm_num_groups=4,
        latent_channels=LATENTS,
        sample_size=SIZE,
        # Attention over 64 places costs half of the time and, measured over the first minutes, does harm.
        mid_block_add_attention=False,
    )


def _difference(wanted: Tensor, given: Tensor) -> Tensor:
    """Difference of colours, absolute and squared, and of edges. Without the square, colours come very late."""
    edges = [(wanted.diff(dim=dim) - given.diff(dim=dim)).abs().mean() for dim in (-1, -2)]
    return (wanted - given).abs().mean() + (wanted - given).square().mean() + 0.5 * (edges[0] + edges[1])


def fit(checkpoint: Path, device: torch.device, steps: int, rate: float = 2e-3, batch: int = 32) -> AutoencoderKL:
    """Train for ``steps`` of a one-cycle schedule, going on from ``checkpoint``; sets ``scaling_factor`` at the end."""
    vae = build().to(device)
    optimiser = torch.optim.AdamW(vae.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=1e-4)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.05)
    first = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
        vae.load_state_dict(saved["vae"])
        optimiser.load_state_dict(saved["optimiser"])
        rates.load_state_dict(saved["rates"])
        first = saved["step"]
    rng = random.Random(first)
    for step in (bar := trange(first, steps, initial=first, total=steps, desc="autoencoder", mininterval=5)):
        images = paint([random_scene(rng) for _ in range(batch)]).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            latents = vae.encode(images).latent_dist
            given = vae.decode(latents.sample()).sample
        loss = _difference(images, given.float()) + 1e-5 * latents.kl().mean() / latents.mean[0].numel()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimiser.step()
        rates.step()
        bar.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            state = {"vae": vae.state_dict(), "optimiser": optimiser.state_dict(), "rates": rates.state_dict()}
            torch.save(state | {"step": step + 1}, checkpoint)
    vae.eval()
    latents = encode(vae, paint([random_scene(rng) for _ in range(512)]).to(device))
    vae.register_to_config(scaling_factor=round(1 / latents.float().std().item(), 4))
    return vae


@torch.no_grad()
def encode(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """Mean latents, unscaled: (n, LATENTS, 8, 8) in bf16."""
    with torch.autocast(images.device.type, torch.bfloat16):
        return torch.cat([vae.encode(part).latent_dist.mean for part in images.split(128)]).bfloat16()
