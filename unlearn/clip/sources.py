"""Models by name: what a name means, and where the parts of that model are.

A name is a visitor's, so finding one opens nothing, and a repository or a folder may be anybody's, so its configuration
is checked before its weights are fetched. Only what is checked is built.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unlearn.clip.repositories import NAME, Files, Folder, Repository
from unlearn.errors import ModelError
from unlearn.files.assets import ASSETS

if TYPE_CHECKING:  # both take seconds to import
    from unlearn.clip.architectures import HuggingFaceText, OpenClipConfig
    from unlearn.clip.assembly import Built

POCKET = ASSETS / "models" / "pocket-clip"
#: What open_clip calls the configuration of a model, in a repository and in a folder.
CONFIG = "open_clip_config.json"
LOCAL = "local-dir:"
LONGEST_NAME = 1000
#: Names of weights in a repository, where safetensors alone are read, and in one's own folder.
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
LOCAL_WEIGHTS = (*WEIGHTS, "model.safetensors", "open_clip_pytorch_model.bin", "pytorch_model.bin")
_HUB = re.compile(rf"(hf-hub|blip):({NAME})", re.ASCII)


@dataclass(frozen=True)
class Found:
    """A model before it is built: the file of its weights, what builds it, and what open_clip calls ``model_cfg``."""

    weights: Path
    build: Callable[[], Built]
    architecture: dict[str, Any] | None = None


def find(name: str, *, from_files: bool) -> Callable[[], Found]:
    """What finds the parts of the model ``name``. Without ``from_files`` no path is even looked at.

    Raises:
        ModelError: a name like this means nothing.
    """
    import open_clip

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
    """The repository that the model ``name`` is fetched from; None where it comes from nowhere, or from files."""
    import open_clip

    if on_hub := _HUB.fullmatch(name):
        return on_hub[2]
    facts = open_clip.get_pretrained_cfg(*name.split("/", 1)) if "/" in name else {}
    return _repository_and_file(facts)[0] or None


def _pocket() -> Found:
    """The embedded model, a part of this package: open_clip reads its folder as it is."""
    import open_clip

    def build() -> Built:
        model, preprocess = open_clip.create_model_from_pretrained(f"{LOCAL}{POCKET}")
        words = str(POCKET / "bpe_simple_vocab_8k.txt.gz")
        return model, preprocess, open_clip.get_tokenizer(f"{LOCAL}{POCKET}", bpe_path=words)

    return Found(POCKET / WEIGHTS[0], build, open_clip.factory.get_model_config(f"{LOCAL}{POCKET}"))


def _tagged(architecture: str, facts: dict[str, Any]) -> Found:
    """Weights that open_clip knows by a tag, from the repository that it fetches them from."""
    repository, file = _repository_and_file(facts)
    if not repository:
        raise ModelError("open_clip has these weights as a pickle only; nothing but safetensors is downloaded.")
    names = (f"{Path(file).stem}.safetensors",) if file else WEIGHTS
    return _of_architecture(architecture, facts, lambda: Repository(repository).fetch(*names))


def _repository_and_file(facts: dict[str, Any]) -> tuple[str, str]:
    """ORG/REPO and the file in it, "" for the usual one, as open_clip writes both into one."""
    repository, _, file = facts.get("hf_hub", "").rpartition("/")
    return repository, file


def _of_architecture(architecture: str, facts: dict[str, Any], weights: Callable[[], Path]) -> Found:
    """One of open_clip's own architectures; ``facts`` are what it knows of the weights."""
    import open_clip

    from unlearn.clip.architectures import OpenClipConfig, checked

    model = open_clip.get_model_config(architecture)
    # Some weights were trained with another activation than their architecture's; open_clip would only warn.
    quick_gelu = facts.get("quick_gelu", model.get("quick_gelu", False))
    given = {"model_cfg": model | {"quick_gelu": quick_gelu}, "preprocess_cfg": facts}
    return _open_clip(checked(OpenClipConfig, given, architecture), weights)


def _on_hub(repository: Repository) -> Found:
    from unlearn.clip.architectures import OpenClipConfig
    from unlearn.clip.tokenizer_files import read_checked

    config = read_checked(OpenClipConfig, repository.fetch(CONFIG))
    return _open_clip(config, lambda: repository.fetch(*WEIGHTS), repository)


def _open_clip(config: OpenClipConfig, weights: Callable[[], Path], own: Repository | None = None) -> Found:
    """What ``config`` describes; its tokenizer may be that of another repository than its ``own``."""
    from unlearn.clip.tokenizer_files import find_tokenizer

    name = config.model_cfg.text_cfg.hf_tokenizer_name
    if not name:
        return _assembled(config, weights, {})
    theirs = own if own is not None and own.name == name else _named("hf_tokenizer_name", name)
    return _assembled(config, weights, find_tokenizer(theirs))


def _assembled(config: OpenClipConfig, weights: Callable[[], Path], tokenizer: dict[str, Path]) -> Found:
    """The last checks, in the order of what they cost: a model that is too large is not fetched."""
    from unlearn.clip.architectures import HuggingFaceText
    from unlearn.clip.assembly import Parts, build, count_parameters
    from unlearn.clip.tokenizer_files import read_checked

    text: HuggingFaceText | None = None
    if name := config.model_cfg.text_cfg.hf_model_name:
        text = read_checked(HuggingFaceText, _named("hf_model_name", name).fetch("config.json"))
    parameters = count_parameters(config, text)
    parts = Parts(config, weights(), parameters, tokenizer, text)
    return Found(parts.weights, partial(build, parts), config.model_cfg.options())


def _named(key: str, name: str) -> Repository:
    try:
        return Repository(name)
    except ModelError as error:
        raise ModelError(f"{key}: {error}") from error


def _blip(files: Files) -> Found:
    from unlearn.clip.blip import build_blip, find_blip

    parts = find_blip(files)
    return Found(parts.weights, partial(build_blip, parts))


def _in_folder(folder: Folder) -> Found:
    """A model as a folder of this machine: one of open_clip's, a transformers ``CLIPModel`` or a BLIP."""
    from unlearn.clip.architectures import KindOfModel, OpenClipConfig
    from unlearn.clip.tokenizer_files import find_tokenizer, read_checked

    path = folder.fetch(CONFIG, "config.json")
    if path.name == CONFIG:
        config = read_checked(OpenClipConfig, path)
        # As in open_clip, a folder's tokenizer lies in it, whatever its name is.
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
    from unlearn.clip.architectures import OpenClipConfig, TransformersClip, TransformersPreprocessing
    from unlearn.clip.tokenizer_files import read_checked

    found = folder.find("preprocessor_config.json", "processor_config.json")
    preprocessing = read_checked(TransformersPreprocessing, found) if found else TransformersPreprocessing()
    model = read_checked(TransformersClip, path).as_open_clip()
    return OpenClipConfig(model_cfg=model, preprocess_cfg=preprocessing.as_open_clip())
