"""Put pocket-diffusion together: a ``StableDiffusionPipeline`` folder whose text encoder is the embedded CLIP's."""

from __future__ import annotations

import json

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from drawn import drawn
from fetch import ASSETS
from model import tokenizer
from transformers import CLIPTextModel, CLIPTokenizer

from unlearn.clip.loading import load_clip
from unlearn.clip.text_tower import as_clip_text_model
from unlearn.export.transformers_clip import as_clip_tokenizer

FOLDER = ASSETS / "models" / "pocket-diffusion"


def text_encoder() -> CLIPTextModel:
    """The embedded CLIP's text tower."""
    return as_clip_text_model(load_clip("pocket", device="cpu").model)


def clip_tokenizer() -> CLIPTokenizer:
    """transformers' tokenizer with the merges of the embedded CLIP's."""
    return as_clip_tokenizer(tokenizer())


def assemble(vae: AutoencoderKL, unet: UNet2DConditionModel, scheduler: DDIMScheduler) -> StableDiffusionPipeline:
    """The pipeline, in fp16."""
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder(),
        tokenizer=clip_tokenizer(),
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).to(torch.float16)


def export(pipeline: StableDiffusionPipeline) -> None:
    """Write the folder; the weights arrive whole or not at all."""
    part = FOLDER.with_suffix(".part")
    pipeline.save_pretrained(part, safe_serialization=True)
    (part / "concepts.json").write_text(json.dumps(drawn(), ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    for path in part.rglob("*"):
        if path.is_file():
            target = FOLDER / path.relative_to(part)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
