"""CCUP behind its gate in a stock diffusers pipeline: a prompt that says nothing of the concept is drawn as before."""

import json
from collections.abc import Callable
from typing import Any

import torch
from diffusers import DiffusionPipeline
from safetensors import safe_open

PIPELINE = "assets/models/pocket-diffusion"
GATE = "drawn/token_gate.safetensors"
PROMPT = "a cat and a pizza"
STEPS, GUIDANCE, SEED = 25, 4.0, 0

with safe_open(GATE, framework="pt") as file:
    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
    maps = json.loads(file.metadata()["unlearn"])  # [{"encoder": "text_encoder", "reads": "-1", "prefix": "0."}]


def mapped(states: torch.Tensor, prefix: str) -> torch.Tensor:
    """x + g (x change), with g from 0 to 1 for each prompt; states are (prompts, tokens, width)."""
    part = {name: tensors[prefix + name].to(states.device) for name in ("change", "mean", "readers", "low", "high")}
    scores = ((states.float() - part["mean"]) @ part["readers"]).amax(dim=1)
    opening = ((scores - part["low"]) / (part["high"] - part["low"])).clamp(0, 1).amax(dim=1)
    opening = opening.to(states.dtype)[:, None, None]
    return torch.where(opening > 0, states + opening * (states @ part["change"].to(states.dtype)), states)


def hook(reads: str, prefix: str) -> Callable[..., Any]:
    def edit(module: torch.nn.Module, inputs: Any, output: Any) -> Any:
        if reads == "pooled":
            output.text_embeds = mapped(output.text_embeds[:, None], prefix)[:, 0]
        elif reads == "-1":
            output.last_hidden_state = mapped(output.last_hidden_state, prefix)
        else:
            hidden = list(output.hidden_states)
            hidden[int(reads)] = mapped(hidden[int(reads)], prefix)
            output.hidden_states = tuple(hidden)
        return output

    return edit


pipeline = DiffusionPipeline.from_pretrained(PIPELINE, torch_dtype=torch.float32)
for entry in maps:
    getattr(pipeline, entry["encoder"]).register_forward_hook(hook(entry["reads"], entry["prefix"]))
generator = torch.Generator().manual_seed(SEED)
pipeline(PROMPT, num_inference_steps=STEPS, guidance_scale=GUIDANCE, generator=generator).images[0].save("picture.png")
print("Wrote picture.png")
