"""Schemas of open_clip's model configurations: the known keys with their ranges. Anything else is refused.

A configuration comes from a repository or a folder, so it is not trusted. open_clip and transformers only read a new
configuration that is written from the checked values.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

import timm
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from unlearn.errors import ModelError

#: Maximum number of parameters of a model: 12 GB in float32.
MAX_PARAMETERS = 3_000_000_000
#: Maximum number of patches of an image: the cost of attention grows with its square.
MAX_PATCHES = 1600

Layers = Annotated[int, Field(ge=1, le=64)]
Heads = Annotated[int, Field(ge=1, le=64)]
Width = Annotated[int, Field(ge=8, le=8192)]
Pixels = Annotated[int, Field(ge=8, le=1024)]
Context = Annotated[int, Field(ge=1, le=1024)]
Words = Annotated[int, Field(ge=1, le=1_000_000)]
Token = Annotated[int, Field(ge=0, lt=1_000_000)]
Ratio = Annotated[float, Field(gt=0, le=16)]
Share = Annotated[float, Field(ge=0, lt=1)]
Scale = Annotated[float, Field(gt=0, le=10)]
Small = Annotated[float, Field(gt=0, le=0.1)]
Channel = Annotated[float, Field(ge=-10, le=10)]

Checked = TypeVar("Checked", bound=BaseModel)


class _Known(BaseModel):
    """A part of a configuration that may contain known keys only."""

    model_config = ConfigDict(allow_inf_nan=False, protected_namespaces=(), defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _only_known_keys(cls, given: Any) -> Any:
        if isinstance(given, dict) and (unknown := sorted(set(map(str, given)) - set(cls.model_fields))):
            raise ValueError(
                f"“{unknown[0][:60]}” is not among the keys that are allowed: {', '.join(cls.model_fields)}"
            )
        return given


class Chosen(BaseModel):
    """A part of a configuration whose unknown keys are ignored."""

    model_config = ConfigDict(allow_inf_nan=False, protected_namespaces=(), defer_build=True, extra="ignore")


class ActivationOptions(_Known):
    approximate: Literal["none", "tanh"] = "none"


class NormOptions(_Known):
    eps: Small = 1e-5


class TokenizerOptions(_Known):
    """Options of open_clip's tokenizer wrapper for texts; they do not reach the tokenizer's class."""

    clean: Literal["canonicalize", "lower", "whitespace"] = "whitespace"
    strip_sep_token: bool = False


class _Blocks(_Known):
    """Fields shared by all towers of transformer blocks."""

    mlp_ratio: Ratio = 4.0
    ls_init_value: Small | None = None
    final_ln_after_pool: bool = False
    output_tokens: bool = False
    act_kwargs: ActivationOptions | None = None
    norm_kwargs: NormOptions | None = None
    block_type: Literal["default", "custom"] | None = None
    qk_norm: bool = False
    scaled_cosine_attn: bool = False
    scale_heads: bool = False
    scale_attn_inner: bool = False
    scale_attn: bool = False
    scale_fc: bool = False


class Vision(_Blocks):
    """``vision_cfg`` in open_clip's names."""

    layers: Layers | tuple[Layers, Layers, Layers, Layers] = 12
    width: Width = 768
    head_width: Annotated[int, Field(ge=8, le=512)] = 64
    patch_size: Annotated[int, Field(ge=4, le=64)] | None = 16
    image_size: Pixels | tuple[Pixels, Pixels] = 224
    patch_dropout: Share = 0.0
    attentional_pool: bool | Literal["parallel", "cascade"] = False
    attn_pooler_queries: Annotated[int, Field(ge=1, le=1024)] = 256
    attn_pooler_heads: Heads = 8
    no_ln_pre: bool = False
    pos_embed_type: Literal["learnable", "sin_cos_2d"] = "learnable"
    pool_type: Literal["tok", "avg"] = "tok"
    timm_model_name: str | None = None
    timm_model_pretrained: bool = False
    timm_pool: Literal["", "avg", "avgmax", "max", "token", "map", "abs_attn", "rot_attn"] = "avg"
    timm_proj: Literal["", "linear", "mlp", "none"] | None = "linear"
    timm_proj_bias: bool = False
    timm_drop: Share = 0.0
    timm_drop_path: Share | None = None

    @field_validator("timm_model_name")
    @classmethod
    def _one_of_timms(cls, name: str | None) -> str | None:
        """Require a plain name: after ``hf-hub:`` or ``local-dir:``, timm would read a configuration elsewhere."""
        if name is not None and not (re.fullmatch(r"[a-z0-9_]{1,80}", name) and timm.is_model(name)):
            raise ValueError("it must be one of timm's architectures, such as convnext_base")
        return name

    @model_validator(mode="after")
    def _few_patches(self) -> Vision:
        sides = (self.image_size,) * 2 if isinstance(self.image_size, int) else self.image_size
        patch = self.patch_size if self.patch_size and isinstance(self.layers, int) else 32
        if self.timm_model_name is None:
            require_few_patches(*sides, patch)
        return self


def require_few_patches(height: int, width: int, patch: int) -> None:
    """Raise unless an image has at most :data:`MAX_PATCHES` patches.

    Raises:
        ValueError: it has more.
    """
    if height * width > MAX_PATCHES * patch**2:
        raise ValueError(f"image_size and patch_size make more than {MAX_PATCHES:,} patches")


class Text(_Blocks):
    """``text_cfg`` in open_clip's names."""

    context_length: Context = 77
    vocab_size: Words = 49408
    hf_tokenizer_name: str | None = None
    tokenizer_mode: Literal["", "clips"] | None = None
    tokenizer_kwargs: TokenizerOptions | None = None
    width: Width = 512
    heads: Heads = 8
    layers: Layers = 12
    embed_cls: bool = False
    pad_id: Token = 0
    eos_id: Token = 2
    no_causal_mask: bool = False
    pool_type: Literal["first", "last", "argmax", "eos"] = "argmax"
    proj_bias: bool = False
    proj_type: Literal["linear", "none"] | None = "linear"
    hf_model_name: str | None = None
    hf_model_pretrained: bool = False
    hf_proj_type: Literal["linear", "mlp"] | None = "mlp"
    hf_pooler_type: Literal["mean_pooler", "max_pooler", "cls_pooler", "cls_last_hidden_state_pooler"] | None = (
        "mean_pooler"
    )


class Multimodal(Text):
    """``multimodal_cfg``: the decoder of a CoCa model."""

    dim_head: Annotated[int, Field(ge=8, le=512)] = 64
    n_queries: Annotated[int, Field(ge=1, le=1024)] = 256
    attn_pooler_heads: Heads = 8


class Architecture(_Known):
    """``model_cfg``: the configuration from which open_clip builds a model."""

    embed_dim: Width
    vision_cfg: Vision
    text_cfg: Text
    multimodal_cfg: Multimodal | None = None
    custom_text: bool = False
    quick_gelu: bool = False
    init_logit_scale: Annotated[float, Field(ge=-20, le=20)] | None = None
    init_logit_bias: Annotated[float, Field(ge=-100, le=100)] | None = None
    nonscalar_logit_scale: bool = False

    def options(self) -> dict[str, Any]:
        """Return the checked values in open_clip's names; unset fields are left to open_clip's defaults."""
        chosen = self.model_dump(mode="json", exclude_unset=True)
        if chosen.get("init_logit_scale", 0.0) is None:
            del chosen["init_logit_scale"]
        return chosen


class Preprocessing(Chosen):
    """``preprocess_cfg``: the preprocessing of an image; its size is that of the image tower."""

    mode: Literal["RGB"] = "RGB"
    mean: tuple[Channel, Channel, Channel] | None = None
    std: tuple[Scale, Scale, Scale] | None = None
    interpolation: Literal["bicubic", "bilinear", "nearest"] | None = None
    resize_mode: Literal["shortest", "longest", "squash"] | None = None
    fill_color: Annotated[int, Field(ge=0, le=255)] = 0

    def options(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_unset=True, exclude_none=True)


class OpenClipConfig(Chosen):
    """The content of ``open_clip_config.json``."""

    model_cfg: Architecture
    preprocess_cfg: Preprocessing = Preprocessing()


def checked(schema: type[Checked], given: str | bytes | dict[str, Any], source: str) -> Checked:
    """Validate ``given``, as JSON or parsed, against ``schema``; ``source`` names it in the error message.

    Raises:
        ModelError: a key is not allowed, or its value is out of range.
    """
    try:
        return schema.model_validate(given) if isinstance(given, dict) else schema.model_validate_json(given)
    except ValidationError as error:
        raise ModelError(f"{source} cannot be used: {_in_words(error)}.") from error


def _in_words(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part)[:60] for part in first["loc"]) or "it"
    what = first["msg"].removeprefix("Value error, ").removeprefix("Input ").rstrip(".")
    if first["type"] in ("value_error", "missing", "json_invalid"):
        return f"{where}: {what}"
    return f"{where} is {str(first['input'])[:60]!r} and {what}"
