"""Schemas of transformers' configurations, and those of CLIP in open_clip's names.

Of these files only the values that a model is built from are read; other keys are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from unlearn.clip.architectures import (
    Architecture,
    Channel,
    Chosen,
    Context,
    Heads,
    Layers,
    Pixels,
    Preprocessing,
    Scale,
    Small,
    Token,
    Width,
    Words,
    checked,
    require_few_patches,
)
from unlearn.errors import ModelError

Activation = Literal["gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu"]


class HuggingFaceText(Chosen):
    """``config.json`` of a transformers text tower: the architectures that open_clip supports, and their sizes."""

    model_type: Literal["roberta", "xlm-roberta", "mt5", "bert", "m2m_100"]
    vocab_size: Words | None = None
    hidden_size: Width | None = None
    intermediate_size: Width | None = None
    num_hidden_layers: Layers | None = None
    num_attention_heads: Heads | None = None
    max_position_embeddings: Context | None = None
    type_vocab_size: Annotated[int, Field(ge=1, le=16)] | None = None
    layer_norm_eps: Small | None = None
    layer_norm_epsilon: Small | None = None
    hidden_act: Activation | None = None
    activation_function: Activation | None = None
    pad_token_id: Token | None = None
    bos_token_id: Token | None = None
    eos_token_id: Token | None = None
    decoder_start_token_id: Token | None = None
    d_model: Width | None = None
    d_ff: Width | None = None
    d_kv: Annotated[int, Field(ge=8, le=512)] | None = None
    num_layers: Layers | None = None
    num_decoder_layers: Layers | None = None
    num_heads: Heads | None = None
    relative_attention_num_buckets: Annotated[int, Field(ge=1, le=256)] | None = None
    relative_attention_max_distance: Annotated[int, Field(ge=1, le=1024)] | None = None
    feed_forward_proj: Literal["gated-gelu", "relu"] | None = None
    is_encoder_decoder: bool | None = None
    encoder_layers: Layers | None = None
    encoder_attention_heads: Heads | None = None
    encoder_ffn_dim: Width | None = None
    decoder_layers: Layers | None = None
    decoder_attention_heads: Heads | None = None
    decoder_ffn_dim: Width | None = None
    scale_embedding: bool | None = None

    def options(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


class _TransformersTower(Chosen):
    hidden_size: Width | None = None
    intermediate_size: Width | None = None
    num_hidden_layers: Layers | None = None
    num_attention_heads: Heads | None = None
    hidden_act: Activation | None = None
    layer_norm_eps: Small | None = None
    projection_dim: Width | None = None


class _TransformersVision(_TransformersTower):
    image_size: Pixels | None = None
    patch_size: Annotated[int, Field(ge=4, le=64)] | None = None

    @model_validator(mode="after")
    def _few_patches(self) -> _TransformersVision:
        if self.image_size and self.patch_size:
            require_few_patches(self.image_size, self.image_size, self.patch_size)
        return self


class _TransformersText(_TransformersTower):
    vocab_size: Words | None = None
    max_position_embeddings: Context | None = None
    pad_token_id: Token | None = None
    bos_token_id: Token | None = None
    eos_token_id: Token | None = None


class _BlipText(_TransformersText):
    encoder_hidden_size: Width | None = None
    sep_token_id: Token | None = None


class BlipOptions(Chosen):
    """``config.json`` of a BLIP model."""

    text_config: _BlipText = _BlipText()
    vision_config: _TransformersVision = _TransformersVision()
    image_text_hidden_size: Width = 256
    projection_dim: Width = 512

    def options(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


class KindOfModel(Chosen):
    """The model type in ``config.json``."""

    model_type: str = ""


class TransformersClip(Chosen):
    """``config.json`` of a transformers ``CLIPModel``."""

    model_type: Literal["clip"]
    text_config: _TransformersText = _TransformersText()
    vision_config: _TransformersVision = _TransformersVision()
    projection_dim: Width = 512

    def as_open_clip(self) -> Architecture:
        """Return the same architecture in open_clip's names; unset sizes get the defaults of transformers."""
        text, vision = self.text_config, self.vision_config
        width, wide = vision.hidden_size or 768, text.hidden_size or 512
        activations = {text.hidden_act or "quick_gelu", vision.hidden_act or "quick_gelu"}
        if len(activations) > 1 or not activations <= {"gelu", "quick_gelu"}:
            raise ModelError("hidden_act must be gelu or quick_gelu, the same in both towers.")
        eps = {"text": text.layer_norm_eps, "vision": vision.layer_norm_eps}
        norms = {tower: {"norm_kwargs": {"eps": value}} if value else {} for tower, value in eps.items()}
        return checked(
            Architecture,
            {
                "embed_dim": self.projection_dim,
                "quick_gelu": activations == {"quick_gelu"},
                "vision_cfg": {
                    "layers": vision.num_hidden_layers or 12,
                    "width": width,
                    "head_width": width // (vision.num_attention_heads or 12),
                    "mlp_ratio": (vision.intermediate_size or 3072) / width,
                    "patch_size": vision.patch_size or 32,
                    "image_size": vision.image_size or 224,
                    **norms["vision"],
                },
                "text_cfg": {
                    "layers": text.num_hidden_layers or 12,
                    "width": wide,
                    "heads": text.num_attention_heads or 8,
                    "mlp_ratio": (text.intermediate_size or 2048) / wide,
                    "vocab_size": text.vocab_size or 49408,
                    "context_length": text.max_position_embeddings or 77,
                    # Configurations from before transformers knew the id of the end token say 2, which means the token
                    # with the largest id.
                    **({"pool_type": "eos", "eos_id": text.eos_token_id} if _own_end(text) else {}),
                    "hf_tokenizer_name": "transformers",
                    **norms["text"],
                },
            },
            "config.json",
        )


def _own_end(text: _TransformersText) -> bool:
    """Return True if the end token is not the last of the vocabulary, where open_clip expects it."""
    return text.eos_token_id not in (None, 2, (text.vocab_size or 49408) - 1)


class TransformersPreprocessing(Chosen):
    """``preprocessor_config.json`` of a CLIP model."""

    image_mean: tuple[Channel, Channel, Channel] | None = None
    image_std: tuple[Scale, Scale, Scale] | None = None
    resample: Annotated[int, Field(ge=0, le=5)] | None = None
    size: dict[str, Any] | int | None = None

    def as_open_clip(self) -> Preprocessing:
        """Return the same preprocessing in open_clip's names."""
        kinds = {None: None, 0: "nearest", 2: "bilinear"}
        squash = isinstance(self.size, dict) and "shortest_edge" not in self.size
        return Preprocessing.model_validate(
            {
                "mean": self.image_mean,
                "std": self.image_std,
                "interpolation": kinds.get(self.resample, "bicubic"),
                "resize_mode": "squash" if squash else "shortest",
            }
        )
