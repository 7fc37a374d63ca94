"""Train the denoiser of pocket-diffusion on latents of scenes, conditioned on the token states of the embedded CLIP."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from drawn import paint, random_scene
from torch import Tensor, nn
from tqdm import tqdm, trange
from transformers import CLIPTextModel, CLIPTokenizer
from vae import LATENTS, encode

CHANNELS = (96, 160)
#: Scenes drawn and encoded once, when a run starts; every restart sees others.
POOL = 60_000
#: Share of sentences left out in training, so that the picture without a sentence can be guided away from.
EMPTY = 0.1
SAVE_EVERY = 250


def build(width: int) -> UNet2DConditionModel:
    """An untrained denoiser whose cross-attention reads token states of ``width``."""
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=LATENTS,
        out_channels=LATENTS,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=width,
        attention_head_dim=4,
    )
    # Attention written out is twice as fast as the fused kernel in bf16 on a CPU.
    unet.set_attn_processor(AttnProcessor())
    return unet


def scheduler() -> DDIMScheduler:
    """v-prediction on a cosine schedule that ends in pure noise, so that plain backgrounds come out plain (Lin et al. 2024)."""
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        steps_offset=1,
        clip_sample=False,
    )


@torch.no_grad()
def token_states(sentences: list[str], tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel) -> Tensor:
    """What the pipeline shows the denoiser of each sentence: (n, tokens, width) in bf16."""
    out = []
    device = text_encoder.device
    for start in trange(0, len(sentences), 256, desc="sentences", mininterval=5):
        tokens = tokenizer(sentences[start : start + 256], padding="max_length", truncation=True, return_tensors="pt")
        with torch.autocast(device.type, torch.bfloat16):
            out.append(text_encoder(tokens.input_ids.to(device)).last_hidden_state.bfloat16())
    return torch.cat(out)


class Pool:
    """Latents of many scenes and the token states of their sentences, from which batches are drawn."""

    def __init__(self, vae: AutoencoderKL, tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel, seed: int) -> None:
        rng = random.Random(seed)
        scenes = [random_scene(rng) for _ in range(POOL)]
        sentences = ["", *{scene.caption: None for scene in scenes}]
        row = {sentence: index for index, sentence in enumerate(sentences)}
        self.sentence = torch.tensor([row[scene.caption] for scene in scenes])
        self.states = token_states(sentences, tokenizer, text_encoder)
        parts = tqdm(range(0, POOL, 512), desc="pictures", mininterval=5)
        self.latents = torch.cat([encode(vae, paint(scenes[i : i + 512]).to(vae.device)) for i in parts])
        self.latents = self.latents * vae.config.scaling_factor

    def batch(self, n: int) -> tuple[Tensor, Tensor]:
        """Latents (n, LATENTS, 8, 8) and token states (n, tokens, width)."""
        chosen = torch.randint(len(self.latents), (n,))
        sentence = self.sentence[chosen].masked_fill(torch.rand(n) < EMPTY, 0)
        return self.latents[chosen].float(), self.states[sentence].float()


def loss_of(unet: nn.Module, noising: DDIMScheduler, latents: Tensor, states: Tensor) -> Tensor:
    """Mean squared error of the velocity, weighted so that no noise level rules (min-SNR, Hang et al. 2023)."""
    steps = torch.randint(noising.config.num_train_timesteps, (len(latents),), device=latents.device)
    noise = torch.randn_like(latents)
    noisy = noising.add_noise(latents, noise, steps)
    with torch.autocast(latents.device.type, torch.bfloat16):
        velocity = unet(noisy, steps, states).sample
    kept = noising.alphas_cumprod.to(latents.device)[steps]
    snr = kept / (1 - kept).clamp(min=1e-6)
    weight = snr.clamp(max=5) / (snr + 1) + 0.1
    error = F.mse_loss(velocity.float(), noising.get_velocity(latents, noise, steps), reduction="none").mean((1, 2, 3))
    return (error * weight).mean()


def fit(
    vae: AutoencoderKL,
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel,
    checkpoint: Path,
    *,
    steps: int,
    rate: float = 6e-4,
    batch: int = 64,
) -> UNet2DConditionModel:
    """Train for ``steps``, the rate falling over the last fifth; returns the averaged weights.

    An interrupted run goes on from ``checkpoint``; more ``steps`` later make the same run longer.
    """
    device = vae.device
    unet = build(text_encoder.config.hidden_size).to(device)
    average = copy.deepcopy(unet).requires_grad_(False)
    optimiser = torch.optim.AdamW(unet.parameters(), lr=rate, betas=(0.9, 0.99), weight_decay=0.01)
    state = {"unet": unet, "average": average, "optimiser": optimiser}
    first = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
        for name, part in state.items():
            part.load_state_dict(saved[name])
        first = saved["step"]
    noising, pool = scheduler(), Pool(vae, tokenizer, text_encoder, first)
    smooth = 0.0
    for step in (bar := trange(first, steps, initial=first, total=steps, desc="denoiser", mininterval=10)):
        now = rate * min(1.0, (step + 1) / 200, (steps - step) / (0.2 * steps))
        for group in optimiser.param_groups:
            group["lr"] = now
        loss = loss_of(unet, noising, *(part.to(device) for part in pool.batch(batch)))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            for kept, fresh in zip(average.parameters(), unet.parameters(), strict=True):
                kept.lerp_(fresh, 1 - min(0.999, (step + 1) / (step + 10)))
        smooth = loss.item() if step == first else 0.99 * smooth + 0.01 * loss.item()
        bar.set_postfix(loss=f"{smooth:.4f}", refresh=False)
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            torch.save({name: part.state_dict() for name, part in state.items()} | {"step": step + 1}, checkpoint)
    return average.eval()
