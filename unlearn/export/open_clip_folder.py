"""Export of a whole model as a folder for open_clip's ``local-dir:FOLDER``: weights, configuration and tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from open_clip import SimpleTokenizer, get_model_config, get_model_preprocess_cfg, list_models
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PretrainedConfig
from transformers.utils import SAFE_WEIGHTS_NAME as SAFETENSORS

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.export.transformers_clip import as_clip_tokenizer

CONFIG, MODEL = "open_clip_config.json", "open_clip_model.safetensors"
HUB = "hf-hub:"
#: Repository of the tokenizer in the configuration of a folder that is not meant for a hub yet. In a folder open_clip
#: does not read it, and on a hub it is not found, rather than another one.
UNNAMED = "ORG/REPO"


def save_open_clip(
    folder: Path, encoder: OpenClipEncoder, changed: dict[str, Tensor], repository: str | None = None
) -> None:
    """Write ``encoder`` with the weights in ``changed`` replaced, to be loaded from ``repository`` on a hub too.

    Weights keep the precision of the base model's file, except for changed weights, which are float32. Other tensors in
    that file, such as the rest of a BLIP model, are kept too.
    """
    path, state = encoder.weights_file, encoder.model.state_dict()
    stored = load_file(path) if path and path.suffix == ".safetensors" else state
    if not state.keys() <= stored.keys():
        stored = state  # open_clip has converted the file's names
    own = getattr(encoder.model, "config", None)
    weights = SAFETENSORS if isinstance(own, PretrainedConfig) else MODEL
    tensors = {key: tensor.cpu().contiguous() for key, tensor in {**stored, **changed}.items()}
    save_file(tensors, folder / weights, {"format": "pt"})
    tokenizer: Any = encoder.tokenizer
    # In a folder, open_clip supports transformers' tokenizers only; CLIP's tokenizer in that format gives the same
    # tokens.
    saved = tokenizer.tokenizer if hasattr(tokenizer, "tokenizer") else as_clip_tokenizer(tokenizer)
    saved.save_pretrained(folder)
    if isinstance(own, PretrainedConfig):
        own.save_pretrained(folder)  # a BLIP model: transformers loads it from the same folder
        return
    if model_config := _model_config(encoder):  # a model unknown to open_clip is saved without a configuration
        built = _as_built(model_config, encoder, repository or UNNAMED)
        config = {"model_cfg": built, "preprocess_cfg": _preprocessing(encoder)}
        (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _as_built(model: dict[str, Any], encoder: OpenClipEncoder, repository: str) -> dict[str, Any]:
    """Return ``model`` with the properties that the architecture's name does not determine."""
    text = dict(model["text_cfg"])
    # open_clip has CLIP's own tokenizer; any other of this kind is in the folder alone.
    if isinstance(encoder.tokenizer, SimpleTokenizer) and encoder.tokenizer.encoder != SimpleTokenizer().encoder:
        text["hf_tokenizer_name"] = repository
    return model | {
        "text_cfg": text,
        # Some tags of an architecture were trained with OpenAI's activation: the built model shows which one is used.
        "quick_gelu": any(type(module).__name__ == "QuickGELU" for module in encoder.model.modules()),
    }


def _preprocessing(encoder: OpenClipEncoder) -> dict[str, Any]:
    asked = get_model_preprocess_cfg(encoder.model)
    return {name: asked[name] for name in ("mean", "std", "interpolation", "resize_mode") if name in asked}


def _model_config(encoder: OpenClipEncoder) -> dict[str, Any] | None:
    """Return the configuration from which open_clip builds the model of ``encoder``, or None if it is unknown."""
    if encoder.architecture is not None:
        return dict(encoder.architecture)
    architecture = encoder.name.partition("/")[0]
    return dict(get_model_config(architecture)) if architecture in list_models() else None
