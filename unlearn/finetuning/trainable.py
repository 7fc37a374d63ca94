"""Trainable models for CLIPErase: copies that share all weights except the trained ones with the original.

A :class:`Trainable` splits each tower in two. ``prepare_*`` is the frozen part, whose output can be kept for the whole
run; ``*_features`` is the trained part. If that part is small, a step on a CPU costs next to nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from unlearn import late
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.final_projections import FinalProjection, find_projection, tower_root
from unlearn.clip.text_encoding import encode_text
from unlearn.clip.weights import sharing_copy
from unlearn.errors import ModelError
from unlearn.finetuning.text_end import TextEnd, pack, unpack

#: Names of the modules that hold a tower's blocks, and of the modules between the last block and the final projection.
BLOCKS = {
    "image": ("trunk.blocks", "trunk.stages", "transformer.resblocks", "layer4", "vision_model.encoder.layers"),
    "text": ("transformer.resblocks", "transformer.encoder.layer", "text_encoder.encoder.layer"),
}
AFTER_BLOCKS = {
    "image": (
        "trunk.conv_head", "trunk.bn2", "trunk.final_conv", "trunk.norm", "trunk.fc_norm", "trunk.attn_pool",
        "trunk.head", "ln_post", "attnpool", "vision_model.post_layernorm",
    ),
    "text": ("ln_final",),
}  # fmt: skip
#: Number of blocks of the text tower that train with ``text``.
TEXT_BLOCKS = 2


class Trainable(ABC):
    """A choice of weights to train. Unless a subclass prepares inputs, every step runs both towers completely."""

    #: True if the output of ``prepare_images`` is worth keeping.
    keeps_images: ClassVar[bool] = False
    #: False if images keep the embeddings of the original model, which are then the output of ``prepare_images``.
    trains_images: ClassVar[bool] = True
    #: The copy of the model; BatchNorm uses its stored statistics without updating them, and dropout is off.
    model: nn.Module
    #: The trained parameters by their names in ``model``.
    parameters: dict[str, Tensor]

    @abstractmethod
    def __init__(self, encoder: OpenClipEncoder) -> None: ...

    def prepare_images(self, pixels: Tensor) -> Tensor:
        """Run the frozen part on images (n, 3, h, w); returns (n, …)."""
        return pixels

    def prepare_texts(self, tokens: Tensor) -> Tensor:
        """Run the frozen part on token ids (n, context); returns (n, …)."""
        return tokens

    def image_features(self, prepared: Tensor) -> Tensor:
        """Return unit-norm embeddings, (n, embed_dim), float32, of the output of :meth:`prepare_images`."""
        return _unit(self.model.encode_image(prepared))  # type: ignore[operator]

    def text_features(self, prepared: Tensor) -> Tensor:
        """Return unit-norm embeddings, (n, embed_dim), float32, of the output of :meth:`prepare_texts`."""
        return _unit(encode_text(self.model, prepared))

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Replace the values of all :attr:`parameters`."""
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(weights[name])

    def delta(self) -> dict[str, Tensor]:
        """Return the trained weights by their names in the base model, float32 on the CPU."""
        return {name: tensor.detach().float().cpu().clone() for name, tensor in self.parameters.items()}


class AllWeights(Trainable):
    """All weights except the temperature."""

    def __init__(self, encoder: OpenClipEncoder) -> None:
        names = [name for name, _ in encoder.model.named_parameters() if not name.startswith("logit_")]
        self.model, self.parameters = _copy(encoder, names)


class LastBlocks(Trainable):
    """The last block of each tower and everything after it. Images are prepared up to that block."""

    keeps_images = True

    def __init__(self, encoder: OpenClipEncoder) -> None:
        towers = [_last_blocks(encoder.model, tower, 1) for tower in ("image", "text")]
        self.model, self.parameters = _copy(encoder, [name for _, names in towers for name in names])
        self._first = self.model.get_submodule(towers[0][0])
        blank: Tensor = encoder.preprocess(Image.new("RGB", (8, 8)))  # type: ignore[operator]
        self._blank = blank[None].to(encoder.device)

    def prepare_images(self, pixels: Tensor) -> Tensor:
        def stop(_: nn.Module, inputs: tuple[Any, ...]) -> None:
            raise _ReachedError(inputs[0])

        try:
            self._with_hook(stop, pixels)
        except _ReachedError as reached:
            return reached.activation
        raise ModelError("This image tower does not run its last block; train “projections” or “all” instead.")

    def image_features(self, prepared: Tensor) -> Tensor:
        # The frozen part runs on one blank image only; before the last block the prepared activations replace it.
        return _unit(self._with_hook(lambda _, inputs: (prepared, *inputs[1:]), self._blank))

    def _with_hook(self, hook: Callable[[nn.Module, tuple[Any, ...]], Any], pixels: Tensor) -> Tensor:
        handle = self._first.register_forward_pre_hook(hook)
        try:
            features: Tensor = self.model.encode_image(pixels)  # type: ignore[operator]
            return features
        finally:
            handle.remove()


class TextTower(Trainable):
    """The last two blocks of the text tower and everything after them; images keep the original's embeddings.

    Two, because some diffusion pipelines read the states before the last block (SDXL, Stable Diffusion 2). In a text
    tower that is not CLIP's own, every step runs all blocks.
    """

    keeps_images = True
    trains_images = False

    def __init__(self, encoder: OpenClipEncoder) -> None:
        _, names = _last_blocks(encoder.model, "text", TEXT_BLOCKS)
        self.model, self.parameters = _copy(encoder, names)
        self._end = TextEnd.of(self.model, TEXT_BLOCKS)
        self._weights = dict(self.model.named_parameters())

    def prepare_images(self, pixels: Tensor) -> Tensor:
        return super().image_features(pixels)

    def image_features(self, prepared: Tensor) -> Tensor:
        return prepared

    def prepare_texts(self, tokens: Tensor) -> Tensor:
        return pack(self._end.states(tokens)) if self._end else tokens

    def text_features(self, prepared: Tensor) -> Tensor:
        if self._end is None:
            return super().text_features(prepared)
        return _unit(self._end.features(*unpack(prepared), self._weights))


class Projections(Trainable):
    """The two final linear projections only; both towers are prepared up to them."""

    keeps_images = True

    def __init__(self, encoder: OpenClipEncoder) -> None:
        self._image, self._text = (_projection_to_train(encoder.model, tower) for tower in ("image", "text"))
        weights = dict(encoder.model.named_parameters())
        names = [*self._image.tensors, *self._text.tensors]
        self.parameters = {name: weights[name].detach().clone().requires_grad_() for name in names}
        # A model whose projections are identities: its features are the inputs of the real projections.
        neutral: dict[str, Tensor] = {}
        for projection in (self._image, self._text):
            width = weights[projection.weight].shape[0 if projection.rows_are_inputs else 1]
            neutral[projection.weight] = torch.eye(width)
            if projection.bias is not None:
                neutral[projection.bias] = torch.zeros(width)
        self.model = sharing_copy(encoder.model, neutral).eval()

    def prepare_images(self, pixels: Tensor) -> Tensor:
        return self.model.encode_image(pixels).float()  # type: ignore[operator, no-any-return]

    def prepare_texts(self, tokens: Tensor) -> Tensor:
        return encode_text(self.model, tokens).float()

    def image_features(self, prepared: Tensor) -> Tensor:
        return _unit(self._image.features(self.parameters, prepared))

    def text_features(self, prepared: Tensor) -> Tensor:
        return _unit(self._text.features(self.parameters, prepared))


class LowRank(Trainable):
    """LoRA (Hu et al. 2021) on every linear layer and 1×1 convolution outside fused attention."""

    def __init__(self, encoder: OpenClipEncoder, rank: int, seed: int) -> None:
        targets = [name for name, layer in encoder.model.named_modules() if _takes_adapter(name, layer)]
        if not targets:
            raise ModelError("This model has no linear map that LoRA can adapt; train “last_blocks” instead.")
        shared = sharing_copy(encoder.model, {})
        config = late.peft.LoraConfig(r=rank, lora_alpha=rank, lora_dropout=0.0, target_modules=targets)
        # peft initialises adapters from torch's global generator; seeding it makes runs and processes start equal.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.model = late.peft.inject_adapter_in_model(config, shared).eval().to(encoder.device)
        self.parameters = {name: p for name, p in self.model.named_parameters() if "lora_" in name}
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(name in self.parameters)

    def delta(self) -> dict[str, Tensor]:
        merged = {}
        for name, layer in self.model.named_modules():
            if isinstance(layer, late.peft.tuners.lora.LoraLayer):
                weight = layer.get_base_layer().weight + layer.get_delta_weight("default")  # type: ignore[attr-defined]
                merged[f"{name}.weight"] = weight.detach().float().cpu().clone()
        return merged


def make_trainable(encoder: OpenClipEncoder, what: str, *, lora_rank: int = 8, seed: int = 0) -> Trainable:
    """Return a copy of ``encoder``'s model that trains ``what``, one of :data:`unlearn.erasers.settings.TRAINABLE`.

    Raises:
        ModelError: the architecture has no such part.
    """
    return LowRank(encoder, lora_rank, seed) if what == "lora" else _KINDS[what](encoder)


_KINDS: dict[str, Callable[[OpenClipEncoder], Trainable]] = {
    "text": TextTower,
    "projections": Projections,
    "last_blocks": LastBlocks,
    "all": AllWeights,
}


class _ReachedError(Exception):
    """Exception that ends a forward pass early and carries an activation out of it."""

    def __init__(self, activation: Tensor) -> None:
        super().__init__()
        self.activation = activation


def _copy(encoder: OpenClipEncoder, names: Iterable[str]) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return a copy of ``encoder``'s model with its own, trainable weights ``names``, and these weights."""
    weights = dict(encoder.model.named_parameters())
    own = {name: weights[name].detach().clone() for name in names}
    model = sharing_copy(encoder.model, own).eval()
    return model, {name: p.requires_grad_() for name, p in model.named_parameters() if name in own}


def _last_blocks(model: nn.Module, tower: str, count: int) -> tuple[str, list[str]]:
    """Return the first of a tower's last ``count`` blocks, and the names of the parameters in them and after them."""
    prefix, root = tower_root(model, tower)
    modules = dict(root.named_modules())
    blocks = next((name for name in BLOCKS[tower] if name in modules), None)
    if blocks is None:
        raise ModelError(f"The blocks of this model's {tower} tower are not known; train “projections” or “all”.")
    total = len(list(modules[blocks].children()))
    last = [f"{blocks}.{number}" for number in range(max(0, total - count), total)]
    projection = find_projection(model, tower)
    parts = tuple(f"{prefix}{name}." for name in (*last, *AFTER_BLOCKS[tower]))
    names = [name for name, _ in model.named_parameters() if name.startswith(parts)]
    return f"{prefix}{last[0]}", list(dict.fromkeys([*names, *(projection.tensors if projection else ())]))


def _projection_to_train(model: nn.Module, tower: str) -> FinalProjection:
    projection = find_projection(model, tower)
    if projection is None:
        raise ModelError(f"The {tower} tower of this model has no projection to train; train “last_blocks” instead.")
    return projection


def _takes_adapter(name: str, layer: nn.Module) -> bool:
    # nn.MultiheadAttention reads out_proj.weight directly, so an adapter around that layer would never run.
    if isinstance(layer, nn.Linear):
        return not name.endswith("attn.out_proj")
    return isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1


def _unit(features: Tensor) -> Tensor:
    return F.normalize(features.float(), dim=-1)
