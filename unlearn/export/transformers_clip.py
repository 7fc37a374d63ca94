"""Conversion of an open_clip model to a transformers ``CLIPModel`` with the same outputs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import transformers
from open_clip import get_model_preprocess_cfg
from open_clip.transformer import VisionTransformer
from PIL.Image import Resampling
from torch import Tensor, nn

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.final_projections import final_projection
from unlearn.clip.text_tower import encoder_layers, layer_options, state_dict, text_config, text_tower
from unlearn.errors import ModelError


def save_transformers(folder: Path, encoder: OpenClipEncoder) -> None:
    """Write ``encoder`` so that ``CLIPModel`` and ``CLIPProcessor.from_pretrained(folder)`` load it.

    Raises:
        ModelError: ``CLIPModel`` does not support its towers.
    """
    model = as_clip_model(encoder.model)
    processor: Any = transformers.CLIPProcessor(_image_processor(encoder.model), as_clip_tokenizer(encoder.tokenizer))  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def as_clip_model(model: nn.Module) -> transformers.CLIPModel:
    """Convert ``model``; the new module has its own tensors in float32.

    Raises:
        ModelError: a tower is not CLIP's own transformer.
    """
    text, vision = text_tower(model), _vision_tower(model)
    projections = {tower: _projection(model, tower) for tower in ("text", "image")}
    _require_plain_text(model, text)
    config = transformers.CLIPConfig(
        text_config=text_config(text).to_dict(),
        vision_config=transformers.CLIPVisionConfig(
            **layer_options(vision.transformer.resblocks),
            image_size=vision.image_size[0],
            patch_size=vision.patch_size[0],
        ).to_dict(),
        projection_dim=projections["text"].shape[0],
    )
    state: dict[str, Any] = {
        f"text_model.{key}": tensor for key, tensor in state_dict(text, len(text.transformer.resblocks)).items()
    }
    state |= {f"vision_model.{key}": tensor for key, tensor in _vision_state(vision).items()}
    state |= {
        "text_projection.weight": projections["text"],
        "visual_projection.weight": projections["image"],
        "logit_scale": model.logit_scale,
    }
    converted: Any = transformers.CLIPModel(config)
    converted.load_state_dict({key: tensor.detach().cpu().float() for key, tensor in state.items()}, strict=True)
    frozen: transformers.CLIPModel = converted.eval().requires_grad_(False)
    return frozen


def as_clip_tokenizer(tokenizer: Any) -> transformers.CLIPTokenizer:
    """Convert open_clip's ``SimpleTokenizer`` to transformers' ``CLIPTokenizer``, padding with 0 like open_clip.

    Raises:
        ModelError: the tokenizer is of another class.
    """
    if not hasattr(tokenizer, "bpe_ranks"):
        raise ModelError("This model's tokenizer is not CLIP's, so transformers' CLIPProcessor cannot hold it.")
    names = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    return transformers.CLIPTokenizer(
        vocab={names.get(token, token): index for token, index in tokenizer.encoder.items()},
        merges=sorted(tokenizer.bpe_ranks, key=tokenizer.bpe_ranks.__getitem__),
        model_max_length=tokenizer.context_length,
        pad_token=tokenizer.decoder[0],
        split_special_tokens=True,  # token 0 is "!", which a text may contain
    )


def _vision_tower(model: nn.Module) -> Any:
    """Return the image tower if a ``CLIPVisionModel`` can compute the same."""
    tower: Any = getattr(model, "visual", None)
    if not isinstance(tower, VisionTransformer):
        kind = type(getattr(tower, "trunk", tower)).__name__
        raise ModelError(
            f"transformers' CLIPModel holds CLIP's own vision transformer, and this model's image tower is another "
            f"architecture ({kind}). The open_clip folder holds every model."
        )
    plain = tower.attn_pool is None and tower.pool_type == "tok" and isinstance(tower.ln_pre, nn.LayerNorm)
    if not plain or not _plain(tower.transformer.resblocks) or len(set(tower.image_size)) > 1:
        raise ModelError(
            "This vision transformer differs from CLIP's in its pooling, its blocks or its shape, so CLIPModel would "
            "compute something else. The open_clip folder holds every model."
        )
    return tower


def _require_plain_text(model: nn.Module, tower: Any) -> None:
    """Raise unless ``CLIPModel`` supports the text tower's pooling; :func:`text_tower` has checked the token states."""
    pool = getattr(model, "text_pool_type", getattr(tower, "pool_type", "argmax"))
    sigmoid = getattr(model, "logit_bias", None) is not None
    if pool != "argmax" or sigmoid or getattr(tower, "cls_emb", None) is not None:
        raise ModelError(
            "This model's text tower pools its states in another way than CLIPModel does. The open_clip folder holds "
            "every model."
        )


def _plain(blocks: Any) -> bool:
    """Return True if residual blocks are CLIP's: packed attention, exact or quick GELU, no scaled branches."""
    return all(
        hasattr(block.attn, "in_proj_weight")
        and isinstance(block.ls_1, nn.Identity)
        and getattr(block.mlp.gelu, "approximate", "none") == "none"
        for block in blocks
    )


def _projection(model: nn.Module, tower: str) -> Tensor:
    """Return a tower's last linear map in the layout of ``nn.Linear``, (embed_dim, width)."""
    found = final_projection(model, tower)
    if found.bias is not None:
        raise ModelError(f"The {tower} tower's projection has a bias, which CLIPModel cannot hold.")
    weight: Tensor = model.state_dict()[found.weight]
    return weight.T if found.rows_are_inputs else weight


def _vision_state(tower: Any) -> Mapping[str, Tensor]:
    return encoder_layers(tower.transformer.resblocks) | {
        "embeddings.class_embedding": tower.class_embedding,
        "embeddings.patch_embedding.weight": tower.conv1.weight,
        "embeddings.position_embedding.weight": tower.positional_embedding,
        "pre_layrnorm.weight": tower.ln_pre.weight,  # transformers' own spelling
        "pre_layrnorm.bias": tower.ln_pre.bias,
        "post_layernorm.weight": tower.ln_post.weight,
        "post_layernorm.bias": tower.ln_post.bias,
    }


def _image_processor(model: nn.Module) -> transformers.CLIPImageProcessor:
    """Return open_clip's preprocessing; the two libraries resize differently, so pixels differ by rounding."""
    asked = get_model_preprocess_cfg(model)
    size = asked["size"][0] if isinstance(asked["size"], tuple | list) else asked["size"]
    square = {"height": size, "width": size}
    squash = asked.get("resize_mode", "shortest") == "squash"
    return transformers.CLIPImageProcessor(
        size=square if squash else {"shortest_edge": size},
        crop_size=square,
        image_mean=list(asked["mean"]),
        image_std=list(asked["std"]),
        resample=Resampling[asked.get("interpolation", "bicubic").upper()],
    )
