"""An open_clip model's text tower as transformers' ``CLIPTextModel``: the same numbers, for a diffusion pipeline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from unlearn.errors import ModelError

#: Names inside a residual block of open_clip and inside an encoder layer of transformers; open_clip packs attention.
BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def text_tower(model: nn.Module) -> Any:
    """Return the module that contains an open_clip model's text tower: the model itself, or its ``text``.

    Raises:
        ModelError: the tower is not CLIP's causal transformer (for example SigLIP's or one of transformers), so
            ``CLIPTextModel`` cannot compute the same.
    """
    tower: Any = getattr(model, "text", model)
    blocks = getattr(getattr(tower, "transformer", None), "resblocks", None)
    if blocks is None or getattr(tower, "attn_mask", None) is None or not hasattr(blocks[0].attn, "in_proj_weight"):
        raise ModelError(
            "This model's text tower is not CLIP's causal transformer, so no diffusion pipeline is driven by it; "
            "use a CLIP such as ViT-L-14/openai."
        )
    return tower


def as_clip_text_model(model: nn.Module, *, layers: int | None = None) -> transformers.CLIPTextModel:
    """Convert the text tower of ``model``; the new module has its own tensors in float32.

    Args:
        model: an open_clip model.
        layers: number of residual blocks to keep, from the first; Stable Diffusion 2 uses the penultimate layer.

    Returns:
        A ``CLIPTextModel`` whose ``last_hidden_state`` (n, tokens, width) equals the output of ``ln_final`` in
        open_clip.

    Raises:
        ModelError: the tower is not CLIP's causal transformer.
    """
    tower = text_tower(model)
    config = text_config(tower, layers)
    converted: Any = transformers.CLIPTextModel(config)
    converted.load_state_dict(state_dict(tower, config.num_hidden_layers), strict=True)
    frozen: transformers.CLIPTextModel = converted.eval().requires_grad_(False)
    return frozen


def state_dict(tower: Any, layers: int) -> dict[str, Tensor]:
    """Return the weights of a text tower from :func:`text_tower` under ``CLIPTextModel``'s names."""
    state = {
        "embeddings.token_embedding.weight": tower.token_embedding.weight,
        "embeddings.position_embedding.weight": tower.positional_embedding,
        "final_layer_norm.weight": tower.ln_final.weight,
        "final_layer_norm.bias": tower.ln_final.bias,
    }
    state |= encoder_layers(tower.transformer.resblocks[:layers])
    return {key: tensor.detach().to("cpu", torch.float32, copy=True) for key, tensor in state.items()}


def encoder_layers(blocks: Iterable[nn.Module]) -> dict[str, Tensor]:
    """Return the weights of open_clip's residual blocks under the names of transformers' CLIP encoder, not copied."""
    state: dict[str, Tensor] = {}
    for index, block in enumerate(blocks):
        own = block.state_dict()
        name = f"encoder.layers.{index}"
        for kind in ("weight", "bias"):
            parts = own[f"attn.in_proj_{kind}"].chunk(3)
            state |= {f"{name}.self_attn.{p}_proj.{kind}": part for p, part in zip("qkv", parts, strict=True)}
            state |= {f"{name}.{new}.{kind}": own[f"{old}.{kind}"] for old, new in BLOCK.items()}
    return state


def layer_options(blocks: Any) -> dict[str, Any]:
    """Derive the fields shared by transformers' CLIP text and vision configurations from residual blocks."""
    return {
        "hidden_size": blocks[0].mlp.c_proj.out_features,
        "intermediate_size": blocks[0].mlp.c_fc.out_features,
        "num_hidden_layers": len(blocks),
        "num_attention_heads": blocks[0].attn.num_heads,
        "hidden_act": "quick_gelu" if type(blocks[0].mlp.gelu).__name__ == "QuickGELU" else "gelu",
        "layer_norm_eps": blocks[0].ln_1.eps,
    }


def text_config(tower: Any, layers: int | None = None) -> transformers.CLIPTextConfig:
    """Return the configuration of a text tower from :func:`text_tower`, with its first ``layers`` blocks or all."""
    vocabulary, width = tower.token_embedding.weight.shape
    return transformers.CLIPTextConfig(
        **layer_options(tower.transformer.resblocks[:layers]),
        vocab_size=vocabulary,
        max_position_embeddings=tower.positional_embedding.shape[0],
        projection_dim=width,
        # The vocabularies of open_clip's tokenizers end with the start and end tokens; the padding token is 0.
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=0,
    )
