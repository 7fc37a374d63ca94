"""Building of an open_clip model from checked parts: its configuration, its weights file and its tokenizer.

open_clip reads a temporary folder that contains the checked parts only, never the original configuration.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import open_clip
import torch
from open_clip import CLIP, CoCa, CustomTextCLIP, SimpleTokenizer
from safetensors import safe_open
from safetensors.torch import save_file

from unlearn.clip.architectures import MAX_PARAMETERS, OpenClipConfig
from unlearn.clip.layouts import WANTED, as_open_clip, is_as_open_clip_writes, names_in, read_weights
from unlearn.clip.tokenizer_files import load_tokenizer, write_tokenizer
from unlearn.clip.transformers_configs import HuggingFaceText
from unlearn.errors import ModelError

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
#: Share of a model's parameters that its file must contain: the number of position embeddings may differ.
PRESENT = 0.9

Built = tuple[torch.nn.Module, Any, Any]


@dataclass(frozen=True)
class Parts:
    """The parts of an open_clip model.

    Attributes:
        config: checked configuration.
        weights: weights file.
        parameters: number of parameters, as counted by :func:`count_parameters`.
        tokenizer: files of the tokenizer by name; empty for CLIP's own tokenizer, which is a part of open_clip.
        text: configuration of the text tower if it is a transformers model.
    """

    config: OpenClipConfig
    weights: Path
    parameters: int
    tokenizer: Mapping[str, Path] = field(default_factory=dict)
    text: HuggingFaceText | None = None


def count_parameters(config: OpenClipConfig, text: HuggingFaceText | None = None) -> int:
    """Count the parameters of the model of ``config`` without allocating memory for them.

    Raises:
        ModelError: no such model can be built, or it is too large.
    """
    with TemporaryDirectory(prefix="unlearn-model-") as folder:
        options = _options(config, text, Path(folder))
        return count_affordable(lambda: _skeleton(options))


def count_affordable(make: Callable[[], torch.nn.Module]) -> int:
    """Count the parameters of the model that ``make`` builds, as :func:`count_parameters` does."""
    try:
        with torch.device("meta"):
            size = sum(parameter.numel() for parameter in make().parameters())
    except Exception as error:  # open_clip, timm and transformers raise various errors for invalid sizes
        raise ModelError(
            f"No model can be built from its configuration ({type(error).__name__}: {str(error)[:200]})."
        ) from error
    if size > MAX_PARAMETERS:
        raise ModelError(
            f"Its configuration asks for {size / 1e6:,.0f} million parameters; at most {MAX_PARAMETERS / 1e6:,.0f} "
            "million are built."
        )
    return size


def require_as_many(weights: Path, parameters: int) -> None:
    """Raise unless ``weights`` is large enough for a model with ``parameters``, before memory is allocated for it.

    Raises:
        ModelError: the file belongs to a much smaller model.
    """
    if weights.suffix == ".safetensors" and (there := _numbers_in(weights)) < PRESENT * parameters:
        raise ModelError(
            f"Its configuration asks for {parameters / 1e6:,.1f} million parameters and its weights are "
            f"{there / 1e6:,.1f} million, so they are another model's."
        )


def build(parts: Parts) -> Built:
    """Build the model of ``parts`` with its weights, its preprocessing and its tokenizer.

    Raises:
        ModelError: the weights do not fit the model.
        Others: any error of open_clip.
    """
    require_as_many(parts.weights, parts.parameters)
    with TemporaryDirectory(prefix="unlearn-model-") as name:
        folder = Path(name)
        options = _options(parts.config, parts.text, folder)
        config = {"model_cfg": options, "preprocess_cfg": parts.config.preprocess_cfg.options()}
        (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
        _put_weights(parts.weights, folder / WEIGHTS)
        # Unlike open_clip's other loaders, this one fails if weights are missing instead of initialising them randomly.
        model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
        return model, preprocess, _tokenizer(parts, folder)


def _options(config: OpenClipConfig, text: HuggingFaceText | None, folder: Path) -> dict[str, Any]:
    """Return open_clip's arguments for the model; the configuration of a transformers text tower goes to ``folder``."""
    options = config.model_cfg.options()
    if text is not None:
        tower = folder / "text"
        tower.mkdir()
        (tower / "config.json").write_text(json.dumps(text.options()), encoding="utf-8")
        options["text_cfg"]["hf_model_name"] = str(tower)
        options["text_cfg"]["hf_model_pretrained"] = False
    return options


def _skeleton(options: Mapping[str, Any]) -> torch.nn.Module:
    """Build the model of ``options`` in the class that open_clip chooses for them."""
    chosen = dict(options)  # the caller's mapping stays unchanged
    custom = chosen.pop("custom_text", False) or "hf_model_name" in chosen["text_cfg"]
    kind: type[torch.nn.Module] = (CoCa if "multimodal_cfg" in chosen else CustomTextCLIP) if custom else CLIP
    return kind(**chosen)


def _numbers_in(weights: Path) -> int:
    with safe_open(weights, framework="pt") as file:
        return sum(torch.Size(file.get_slice(name).get_shape()).numel() for name in file.keys())  # noqa: SIM118  no dict


def _put_weights(source: Path, target: Path) -> None:
    """Place ``source`` where open_clip expects weights, converted to open_clip's names if it uses others."""
    if source.suffix == ".safetensors" and is_as_open_clip_writes(names_in(source)):
        target.symlink_to(source.resolve())
        return
    state = as_open_clip(read_weights(source))
    if not state:
        raise ModelError(f"“{source.name}” holds no weights. {WANTED}")
    save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, target)


def _tokenizer(parts: Parts, folder: Path) -> Any:
    text = parts.config.model_cfg.text_cfg
    options = text.tokenizer_kwargs.model_dump(exclude_unset=True) if text.tokenizer_kwargs else {}
    if not parts.tokenizer:
        options.pop("strip_sep_token", None)  # CLIP's own tokenizer has no separator token
        return SimpleTokenizer(context_length=text.context_length, **options)
    write_tokenizer(parts.tokenizer, folder)
    return load_tokenizer(folder, text.context_length, tokenizer_mode=text.tokenizer_mode, **options)
