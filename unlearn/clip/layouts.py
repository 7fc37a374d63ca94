"""Weights as other programs lay them out, brought under open_clip's names.

Files are safetensors, or torch's own with nothing in them but tensors. Whatever stands around a model's names (an
optimizer's state, ``model.`` of a training loop, ``_orig_mod.`` of torch's compiler) goes.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from unlearn.clip.text_tower import BLOCK
from unlearn.errors import ModelError

WANTED = (
    "Wanted are a model's weights by name, as open_clip or a transformers CLIPModel call them: safetensors, or what "
    "torch.save writes of model.state_dict()."
)
#: Under which a training loop keeps the model beside its own state.
_NESTED = ("state_dict", "model_state_dict", "model", "module", "ema")
#: Every CLIP has it, under one name: what stands before it stands before all of the model's names.
_LANDMARK = "logit_scale"
_TOWERS = {"text_model": "", "vision_model": "visual."}
#: transformers' names outside the layers to open_clip's; a projection is a layer there and a matrix here.
_OUTSIDE = {
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
    "text_projection.weight": "text_projection",
    "visual_projection.weight": "visual.proj",
    "logit_scale": "logit_scale",
}
_LAYER = re.compile(r"(text_model|vision_model)\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of the file ``path`` by name, whichever of its own things a training loop put around them.

    Raises:
        ModelError: the file holds something else, a program among it.
    """
    if path.suffix == ".safetensors":
        return load_file(path)
    if _is_torchscript(path):
        raise ModelError(f"“{path.name}” is a TorchScript archive: it carries a program and is not opened. {WANTED}")
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickles raise whatever they like
        raise ModelError(
            f"“{path.name}” could not be loaded ({type(error).__name__}): it is damaged, or holds more than tensors. "
            + WANTED
        ) from error
    while isinstance(state, Mapping) and not any(isinstance(value, Tensor) for value in state.values()):
        state = next((state[key] for key in _NESTED if isinstance(state.get(key), Mapping)), None)
    if not isinstance(state, Mapping):
        raise ModelError(f"“{path.name}” holds no weights by name. {WANTED}")
    return {str(key): value for key, value in state.items() if isinstance(value, Tensor)}


def names_in(path: Path) -> list[str]:
    """The names of a safetensors file's tensors; none is read."""
    with safe_open(path, framework="pt") as file:
        return list(file.keys())


def is_as_open_clip_writes(names: list[str]) -> bool:
    """Whether tensors are called as open_clip calls them, so that it reads their file by itself."""
    return _LANDMARK in names and not any(name.startswith(tuple(_TOWERS)) for name in names)


def as_open_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of ``state`` under open_clip's names; other layouts than those known are left as they are.

    Raises:
        ModelError: more than one model is in it, or one of transformers' that is no CLIP.
    """
    prefixes = {name.removesuffix(_LANDMARK) for name in state if re.fullmatch(rf"(?:.+\.)?{_LANDMARK}", name)}
    if len(prefixes) > 1:
        raise ModelError(f"The weights hold more than one model: {', '.join(sorted(prefixes))[:100]}. {WANTED}")
    for prefix in prefixes:
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    if not any(name.startswith(tuple(_TOWERS)) for name in state):
        return dict(state)
    return _from_transformers(state)


def _from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    packed: dict[str, dict[str, Tensor]] = {}
    inside = {theirs: ours for ours, theirs in BLOCK.items()}
    for name, tensor in state.items():
        if name.endswith("position_ids"):
            continue
        if name in _OUTSIDE:
            found[_OUTSIDE[name]] = tensor.T if name.endswith("projection.weight") else tensor
            continue
        layer = _LAYER.fullmatch(name)
        part = layer[3] if layer else ""
        if layer is None or (part not in inside and part not in {f"self_attn.{p}_proj" for p in "qkv"}):
            raise ModelError(f"The weights hold “{name[:100]}”, which is no part of a transformers CLIPModel. {WANTED}")
        block = f"{_TOWERS[layer[1]]}transformer.resblocks.{layer[2]}"
        if part in inside:
            found[f"{block}.{inside[part]}.{layer[4]}"] = tensor
        else:
            packed.setdefault(f"{block}.attn.in_proj_{layer[4]}", {})[part] = tensor
    for name, parts in packed.items():
        if len(parts) < len("qkv"):
            raise ModelError(f"The weights lack a part of {name}. {WANTED}")
        found[name] = torch.cat([parts[f"self_attn.{p}_proj"] for p in "qkv"])
    return found


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name or name.endswith("/constants.pkl") for name in archive.namelist())
