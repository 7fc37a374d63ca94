"""Conversion of weights in other programs' layouts to open_clip's names.

Files are safetensors, or PyTorch files that contain tensors only. Additions to a model's names (an optimizer's state,
the prefix ``model.`` of a training loop, ``_orig_mod.`` of ``torch.compile``) are removed.
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
#: Keys under which training loops store the model beside their own state.
_NESTED = ("state_dict", "model_state_dict", "model", "module", "ema")
#: A tensor that every CLIP has under the same name: its prefix is the prefix of all names of the model.
_LANDMARK = "logit_scale"
_TOWERS = {"text_model": "", "vision_model": "visual."}
#: transformers' names outside the layers, and open_clip's; a projection is a layer in the former, a matrix in the
#: latter.
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
    """Read the tensors of the file ``path`` by name, without the additions of a training loop.

    Raises:
        ModelError: the file contains anything else than tensors, such as code.
    """
    if path.suffix == ".safetensors":
        return load_file(path)
    if _is_torchscript(path):
        raise ModelError(f"“{path.name}” is a TorchScript archive: it carries a program and is not opened. {WANTED}")
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling can raise any error
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
    """Return the names of a safetensors file's tensors without reading the tensors."""
    with safe_open(path, framework="pt") as file:
        return list(file.keys())


def is_as_open_clip_writes(names: list[str]) -> bool:
    """Return True if the tensors have open_clip's names, so that it can read their file directly."""
    return _LANDMARK in names and not any(name.startswith(tuple(_TOWERS)) for name in names)


def as_open_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of ``state`` under open_clip's names; an unknown layout is returned unchanged.

    Raises:
        ModelError: the file contains more than one model, or a transformers model that is not a CLIP.
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
