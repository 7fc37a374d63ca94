"""The denoiser's cross-attention weights with the erasure in them, in a stock diffusers pipeline."""

import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

PIPELINE = "assets/models/pocket-diffusion"
ATTENTION = "drawn/cross_attention.safetensors"
PROMPT = "a cat and a pizza"
STEPS, GUIDANCE, SEED = 25, 4.0, 0

pipeline = StableDiffusionPipeline.from_pretrained(PIPELINE, torch_dtype=torch.float32)
pipeline.unet.load_state_dict(load_file(ATTENTION), strict=False)
generator = torch.Generator().manual_seed(SEED)
pipeline(PROMPT, num_inference_steps=STEPS, guidance_scale=GUIDANCE, generator=generator).images[0].save("picture.png")
print("Wrote picture.png")
