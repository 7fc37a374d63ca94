"""Sources of models: a model's name is resolved to its configuration, weights and tokenizer.

Names come from visitors, so resolving a name opens no file. Repositories and folders are not trusted, so a
configuration is checked before the weights are fetched, and only checked parts are built.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import open_clip

from unlearn.clip.architectures import OpenClipConfig, checked
from unlearn.clip.assembly import Built, Parts, build, count_parameters
from unlearn.clip.blip import build_blip, find_blip
from unlearn.clip.repositories import NAME, Files, Folder, Repository
from unlearn.clip.tokenizer_files import find_tokenizer, read_checked
from unlearn.clip.transformers_configs import HuggingFaceText, KindOfModel, TransformersClip, TransformersPreprocessing
from unlearn.errors import ModelError
from unlearn.files.assets import ASSETS

POCKET = ASSETS / "models" / "pocket-clip"
#: open_clip's name for a model's configuration file, in a repository and in a folder.
CONFIG = "open_clip_config.json"
LOCAL = "local-dir:"
LONGEST_NAME = 1000
#: Names of weights files in a repository (safetensors only) and in a local folder.
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
LOCAL_WEIGHTS = (*WEIGHTS, "model.safetensors", "open_clip_pytorch_model.bin", "pytorch_model.bin")
_HUB = re.compile(rf"(hf-hub|blip):({NAME})", re.ASCII)


@dataclass(frozen=True)
class FoundModel:
    """A model before it is built: its weights file, its build function, and its ``model_cfg`` in open_clip."""

    weights: Path
    build: Callable[[], Built]
    architecture: dict[str, Any] | None = None


def find(name: str, *, from_files: bool) -> Callable[[], FoundModel]:
    """Return a function that finds the parts of the model ``name``. No path is accessed without ``from_files``.

    Raises:
        ModelError: the name has no known form.
    """
    if len(name) > LONGEST_NAME:
        raise ModelError(f"There is no model with a name of {len(name):,} characters; {LONGEST_NAME:,} are the most.")
    if name == "pocket":
        return _pocket
    if on_hub := _HUB.fullmatch(name):
        family, repository = on_hub.groups()
        return partial(_blip if family == "blip" else _on_hub, Repository(repository))
    if from_files and name.startswith("blip:") and (folder := Path(name.removeprefix("blip:"))).is_dir():
        return partial(_blip, Folder(folder))
    if from_files and name.startswith(LOCAL):
        return partial(_in_folder, Folder(Path(name.removeprefix(LOCAL))))
    architecture, _, pretrained = name.partition("/")
    if architecture not in open_clip.list_models() or not pretrained:
        folders = " local-dir:FOLDER," if from_files else ""
        raise ModelError(
            f"There is no model “{name}”. Use “pocket”, ARCHITECTURE/PRETRAINED such as "
            f"“ViT-B-32/laion2b_s34b_b79k”,{folders} hf-hub:ORG/REPO or blip:ORG/REPO."
        )
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if pretrained in tags:
        return partial(_tagged, architecture, open_clip.get_pretrained_cfg(architecture, pretrained))
    if from_files and Path(pretrained).is_file():
        return partial(_of_architecture, architecture, {}, lambda: Path(pretrained))
    neither = "is neither a file nor" if from_files else "is not among the"
    known = ", ".join(get_close_matches(pretrained, tags, 3) or tags[:6]) or "none"
    raise ModelError(f"“{pretrained}” {neither} pretrained weights of {architecture}, such as: {known}.")


def repository_of(name: str) -> str | None:
    """Return the repository from which the model ``name`` is fetched; None if it is not fetched or unknown."""
    if on_hub := _HUB.fullmatch(name):
        return on_hub[2]
    facts = open_clip.get_pretrained_cfg(*name.split("/", 1)) if "/" in name else {}
    return _repository_and_file(facts)[0] or None


def _pocket() -> FoundModel:
    """Find the embedded model, which is a part of this package: open_clip reads its folder directly.

    Its byte pairs are faster than the tokenizer for other programs in the same folder, which gives the same tokens.
    """

    def build() -> Built:
        model, preprocess = open_clip.create_model_from_pretrained(f"{LOCAL}{POCKET}")
        words = str(POCKET / "bpe_simple_vocab_8k.txt.gz")
        context = model.context_length
        return model, preprocess, open_clip.SimpleTokenizer(bpe_path=words, context_length=context)

    return FoundModel(POCKET / WEIGHTS[0], build, open_clip.factory.get_model_config(f"{LOCAL}{POCKET}"))


def _tagged(architecture: str, facts: dict[str, Any]) -> FoundModel:
    """Find weights that open_clip knows by a tag, in the repository from which open_clip would fetch them."""
    repository, file = _repository_and_file(facts)
    if not repository:
        raise ModelError("open_clip has these weights as a pickle only; nothing but safetensors is downloaded.")
    names = (f"{Path(file).stem}.safetensors",) if file else WEIGHTS
    return _of_architecture(architecture, facts, lambda: Repository(repository).fetch(*names))


def _repository_and_file(facts: dict[str, Any]) -> tuple[str, str]:
    """Split open_clip's ``hf_hub`` entry into ORG/REPO and the file name, which is "" for the default file."""
    repository, _, file = facts.get("hf_hub", "").rpartition("/")
    return repository, file


def _of_architecture(architecture: str, facts: dict[str, Any], weights: Callable[[], Path]) -> FoundModel:
    """Find a model with one of open_clip's own architectures; ``facts`` is open_clip's entry for the weights."""
    model = open_clip.get_model_config(architecture)
    # Some weights were trained with another activation than their architecture's default; open_clip would only warn.
    quick_gelu = facts.get("quick_gelu", model.get("quick_gelu", False))
    given = {"model_cfg": model | {"quick_gelu": quick_gelu}, "preprocess_cfg": facts}
    return _open_clip(checked(OpenClipConfig, given, architecture), weights)


def _on_hub(repository: Repository) -> FoundModel:
    config = read_checked(OpenClipConfig, repository.fetch(CONFIG))
    return _open_clip(config, lambda: repository.fetch(*WEIGHTS), repository)


def _open_clip(config: OpenClipConfig, weights: Callable[[], Path], own: Repository | None = None) -> FoundModel:
    """Find the parts of ``config``; its tokenizer may be in another repository than its ``own``."""
    name = config.model_cfg.text_cfg.hf_tokenizer_name
    if not name:
        return _assembled(config, weights, {})
    theirs = own if own is not None and own.name == name else _named("hf_tokenizer_name", name)
    return _assembled(config, weights, find_tokenizer(theirs))


def _assembled(config: OpenClipConfig, weights: Callable[[], Path], tokenizer: dict[str, Path]) -> FoundModel:
    """Run the last checks, cheapest first: the weights of a model that is too large are not fetched."""
    text: HuggingFaceText | None = None
    if name := config.model_cfg.text_cfg.hf_model_name:
        text = read_checked(HuggingFaceText, _named("hf_model_name", name).fetch("config.json"))
    parameters = count_parameters(config, text)
    parts = Parts(config, weights(), parameters, tokenizer, text)
    return FoundModel(parts.weights, partial(build, parts), config.model_cfg.options())


def _named(key: str, name: str) -> Repository:
    try:
        return Repository(name)
    except ModelError as error:
        raise ModelError(f"{key}: {error}") from error


def _blip(files: Files) -> FoundModel:
    parts = find_blip(files)
    return FoundModel(parts.weights, partial(build_blip, parts))


def _in_folder(folder: Folder) -> FoundModel:
    """Find a model in a local folder: an open_clip model, a transformers ``CLIPModel`` or a BLIP."""
    path = folder.fetch(CONFIG, "config.json")
    if path.name == CONFIG:
        config = read_checked(OpenClipConfig, path)
        # As in open_clip, the tokenizer of a model in a folder is in the same folder, whatever its name.
        has_own = config.model_cfg.text_cfg.hf_tokenizer_name
    else:
        kind = read_checked(KindOfModel, path).model_type
        if kind == "blip":
            return _blip(folder)
        if kind != "clip":
            raise ModelError(f"“{folder.name}” holds a “{kind[:60]}”; of transformers' models CLIP and BLIP are read.")
        config, has_own = _from_transformers(folder, path), "transformers"
    weights = partial(folder.fetch, *LOCAL_WEIGHTS)
    return _assembled(config, weights, find_tokenizer(folder) if has_own else {})


def _from_transformers(folder: Folder, path: Path) -> OpenClipConfig:
    found = folder.find("preprocessor_config.json", "processor_config.json")
    preprocessing = read_checked(TransformersPreprocessing, found) if found else TransformersPreprocessing()
    model = read_checked(TransformersClip, path).as_open_clip()
    return OpenClipConfig(model_cfg=model, preprocess_cfg=preprocessing.as_open_clip())
