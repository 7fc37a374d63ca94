"""An open_clip model from checked parts: the sizes its configuration gives, a file of tensors, a vocabulary.

What open_clip reads is a folder of ours that holds nothing else, so it never sees the configuration that was found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from unlearn.clip.architectures import MAX_PARAMETERS, HuggingFaceText, OpenClipConfig
from unlearn.clip.layouts import WANTED, as_open_clip, is_as_open_clip_writes, names_in, read_weights
from unlearn.clip.tokenizer_files import load_tokenizer, write_tokenizer
from unlearn.errors import ModelError

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
#: Of a model's parameters, how many must be in its file: position embeddings may be of another length.
PRESENT = 0.9

Built = tuple[torch.nn.Module, Any, Any]


@dataclass(frozen=True)
class Parts:
    """What an open_clip model is made of.

    Attributes:
        config: its checked configuration.
        weights: file of its weights.
        parameters: how many it has, as :func:`count_parameters` counts.
        tokenizer: the tokenizer's files by name; empty for CLIP's own, which open_clip brings along.
        text: the configuration of its text tower, where that is transformers'.
    """

    config: OpenClipConfig
    weights: Path
    parameters: int
    tokenizer: Mapping[str, Path] = field(default_factory=dict)
    text: HuggingFaceText | None = None


def count_parameters(config: OpenClipConfig, text: HuggingFaceText | None = None) -> int:
    """How many parameters the model of ``config`` has; no memory is taken to find out.

    Raises:
        ModelError: no such model can be built, or it would be too large.
    """
    with TemporaryDirectory(prefix="unlearn-model-") as folder:
        options = _options(config, text, Path(folder))
        return count_affordable(lambda: _skeleton(options))


def count_affordable(make: Callable[[], torch.nn.Module]) -> int:
    """The same for the model that ``make`` makes."""
    try:
        with torch.device("meta"):
            size = sum(parameter.numel() for parameter in make().parameters())
    except Exception as error:  # open_clip, timm and transformers check sizes as they like
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
    """Nothing, if ``weights`` may be those of a model with so many ``parameters``, for which memory is then taken.

    Raises:
        ModelError: they are those of something much smaller.
    """
    if weights.suffix == ".safetensors" and (there := _numbers_in(weights)) < PRESENT * parameters:
        raise ModelError(
            f"Its configuration asks for {parameters / 1e6:,.1f} million parameters and its weights are "
            f"{there / 1e6:,.1f} million, so they are another model's."
        )


def build(parts: Parts) -> Built:
    """The model of ``parts`` with its weights, its preprocessing and its tokenizer.

    Raises:
        ModelError: the weights are not its own.
        Others: whatever open_clip raises.
    """
    import open_clip

    require_as_many(parts.weights, parts.parameters)
    with TemporaryDirectory(prefix="unlearn-model-") as name:
        folder = Path(name)
        options = _options(parts.config, parts.text, folder)
        config = {"model_cfg": options, "preprocess_cfg": parts.config.preprocess_cfg.options()}
        (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
        _put_weights(parts.weights, folder / WEIGHTS)
        # Unlike open_clip's other ways in, this one fails where weights are missing, instead of making random ones.
        model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
        return model, preprocess, _tokenizer(parts, folder)


def _options(config: OpenClipConfig, text: HuggingFaceText | None, folder: Path) -> dict[str, Any]:
    """What open_clip builds the model from; a text tower of transformers' gets its configuration into ``folder``."""
    options = config.model_cfg.options()
    if text is not None:
        tower = folder / "text"
        tower.mkdir()
        (tower / "config.json").write_text(json.dumps(text.options()), encoding="utf-8")
        options["text_cfg"]["hf_model_name"] = str(tower)
        options["text_cfg"]["hf_model_pretrained"] = False
    return options


def _skeleton(options: Mapping[str, Any]) -> torch.nn.Module:
    """The model that open_clip makes of ``options``, in the class that it chooses."""
    from open_clip import CLIP, CoCa, CustomTextCLIP

    chosen = dict(options)  # what it is called with is the caller's
    custom = chosen.pop("custom_text", False) or "hf_model_name" in chosen["text_cfg"]
    kind: type[torch.nn.Module] = (CoCa if "multimodal_cfg" in chosen else CustomTextCLIP) if custom else CLIP
    return kind(**chosen)


def _numbers_in(weights: Path) -> int:
    with safe_open(weights, framework="pt") as file:
        return sum(torch.Size(file.get_slice(name).get_shape()).numel() for name in file.keys())  # noqa: SIM118  no dict


def _put_weights(source: Path, target: Path) -> None:
    """``source`` where open_clip looks for weights: as it is where open_clip reads it, else under open_clip's names."""
    if source.suffix == ".safetensors" and is_as_open_clip_writes(names_in(source)):
        target.symlink_to(source.resolve())
        return
    state = as_open_clip(read_weights(source))
    if not state:
        raise ModelError(f"“{source.name}” holds no weights. {WANTED}")
    save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, target)


def _tokenizer(parts: Parts, folder: Path) -> Any:
    from open_clip import SimpleTokenizer

    text = parts.config.model_cfg.text_cfg
    options = text.tokenizer_kwargs.model_dump(exclude_unset=True) if text.tokenizer_kwargs else {}
    if not parts.tokenizer:
        options.pop("strip_sep_token", None)  # CLIP's own has none
        return SimpleTokenizer(context_length=text.context_length, **options)
    write_tokenizer(parts.tokenizer, folder)
    return load_tokenizer(folder, text.context_length, tokenizer_mode=text.tokenizer_mode, **options)
