"""Stable Diffusion's architectures, small and with random weights."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.tokenizer import SimpleTokenizer

from helpers.untrained import untrained_text_tower
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.text_tower import as_clip_text_model
from unlearn.diffusion.pipelines import PIPELINES, LoadedPipeline

#: Widths of the text towers are divided by this.
NARROWER = 8
TINY_BLOCKS: dict[str, Any] = {"block_out_channels": (32, 64), "layers_per_block": 1, "norm_num_groups": 8}


@cache
def stock_tokenizer(folder: str) -> Any:
    """CLIP's tokenizer in transformers' form, from the merges that open_clip ships."""
    from transformers import CLIPTokenizer

    own = SimpleTokenizer()
    marks = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    vocabulary = {marks.get(token, token): index for token, index in own.encoder.items()}
    merges = [" ".join(pair) for pair, _ in sorted(own.bpe_ranks.items(), key=lambda item: item[1])]
    (Path(folder) / "vocab.json").write_text(json.dumps(vocabulary))
    (Path(folder) / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    return CLIPTokenizer.from_pretrained(folder, model_max_length=77)


def _parts(cross: int, **unet: Any) -> dict[str, Any]:
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

    torch.manual_seed(0)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        sample_size=16,
        **TINY_BLOCKS,
    )
    denoiser = UNet2DConditionModel(
        sample_size=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=cross,
        attention_head_dim=8,
        **TINY_BLOCKS,
        **unet,
    )
    scheduler = DDIMScheduler(beta_schedule="scaled_linear", steps_offset=1, clip_sample=False)
    return {"vae": vae.eval(), "unet": denoiser.eval(), "scheduler": scheduler}


def random_pipeline(name: str, folder: Path) -> tuple[LoadedPipeline, OpenClipEncoder]:
    """Pipeline ``name`` with the text encoder of its own architecture, and the CLIP that this encoder is taken from."""
    from dataclasses import replace

    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
    from transformers import CLIPTextModelWithProjection

    known = replace(PIPELINES[name], size=16)
    architecture = "ViT-L-14-quickgelu" if "openai" in known.clips[0] else known.clips[0].partition("/")[0]
    clip = untrained_text_tower(architecture, narrower=NARROWER)
    tokenizer = stock_tokenizer(str(folder))
    # Stable Diffusion 2 leaves the last block out.
    text_encoder = as_clip_text_model(clip, layers=2 if architecture == "ViT-H-14" else None)
    width = text_encoder.config.hidden_size
    if name == "stable-diffusion-xl":
        second = untrained_text_tower("ViT-bigG-14", narrower=NARROWER)
        body = as_clip_text_model(second)
        projected = CLIPTextModelWithProjection(body.config).eval().requires_grad_(False)
        projected.text_model.load_state_dict(body.state_dict())
        projected.text_projection.weight.copy_(second.text_projection.T)
        both = width + body.config.hidden_size
        parts = _parts(
            both,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=48 + body.config.projection_dim,
        )
        pipeline: Any = StableDiffusionXLPipeline(
            text_encoder=text_encoder,
            text_encoder_2=projected,
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            add_watermarker=False,
            **parts,
        )
    else:
        pipeline = StableDiffusionPipeline(
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
            **_parts(width),
        )
    pipeline.set_progress_bar_config(disable=True)
    preprocess = open_clip.image_transform(32, is_train=False)
    encoder = OpenClipEncoder(known.clips[0], clip, preprocess, open_clip.tokenize, torch.device("cpu"))
    return LoadedPipeline(name, known, pipeline), encoder
