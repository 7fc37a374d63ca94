"""Loading a CLIP: what a name may be, where its weights come from, on which device and how precisely it runs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import torch

from unlearn import zero_gpu
from unlearn.config import ASSETS
from unlearn.encoders import OpenClipEncoder
from unlearn.errors import ModelError, require_choice

POCKET = ASSETS / "models" / "pocket-clip"
#: ORG/REPO as a hub allows it, so that no name of a visitor's can leave the hub for the file system.
HUB_NAME = re.compile(r"(hf-hub|blip):([A-Za-z0-9](?:[\w.-]*\w)?/[A-Za-z0-9](?:[\w.-]*\w)?)", re.ASCII)
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
AUTOMATIC = "auto"

Built = tuple[torch.nn.Module, Any, Any]


@dataclass(frozen=True)
class _Source:
    """How a model is had: ``fetch`` gives its weights file, ``build`` makes model, preprocessing and tokenizer."""

    fetch: Callable[[], Path]
    build: Callable[[Path], Built]


def load_clip(
    name: str = "pocket",
    *,
    device: str | torch.device | None = None,
    precision: str = AUTOMATIC,
    from_files: bool = True,
) -> OpenClipEncoder:
    """Load a CLIP model, frozen and in evaluation mode.

    Args:
        name: ``"pocket"`` for the embedded model; ``"ARCHITECTURE/PRETRAINED"`` as open_clip names them, such as
            ``"ViT-B-32/laion2b_s34b_b79k"``, where what stands behind the first slash is a tag or a weights file;
            ``"hf-hub:ORG/REPO"`` for open_clip models on a hub; ``"blip:ORG/REPO"`` or ``"blip:FOLDER"`` for the
            contrastive head of a BLIP, as transformers saves its ``BlipForImageTextRetrieval``.
        device: where to run; the best there is by default.
        precision: of the towers' arithmetic: ``float32``, ``bfloat16``, ``float16``, or ``auto``, which is half
            precision on CUDA and float32 elsewhere. Weights and embeddings are float32.
        from_files: whether the name may lead to files of this machine. Never where it is a visitor's.

    Raises:
        ModelError: no such model, or its weights cannot be had.
        ParameterError: no such precision.
    """
    source = _find(name, from_files=from_files)
    device = torch.device(device) if device is not None else pick_device()
    dtype = _arithmetic(precision, device)
    # open_clip, huggingface_hub and safetensors each raise their own kinds for a hub out of reach or a damaged file.
    try:
        weights_file = source.fetch()
    except Exception as error:
        raise ModelError(
            f"The model “{name}” could not be fetched ({type(error).__name__}): no hub can be reached from here, or it "
            "has no such model. “pocket” needs no download and stays usable."
        ) from error
    try:
        model, preprocess, tokenizer = source.build(weights_file)
    except Exception as error:
        raise ModelError(
            f"The model “{name}” could not be loaded ({type(error).__name__}: {str(error)[:200]}). "
            "“pocket” needs no download and stays usable."
        ) from error
    model = model.to(device).eval().requires_grad_(False)
    return OpenClipEncoder(name, model, preprocess, tokenizer, device, weights_file, dtype)


def pick_device() -> torch.device:
    """The best device this machine has: CUDA, then Apple MPS, then the CPU, which is all that ZeroGPU leaves us."""
    if zero_gpu.ACTIVE:
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def device_in_words(device: torch.device) -> str:
    """What a visitor is told about ``device``: "CPU, 2 cores", or the GPU's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"CPU, {cores} core{'s' if cores > 1 else ''}"


def _arithmetic(precision: str, device: torch.device) -> torch.dtype:
    require_choice("precision", precision, (AUTOMATIC, *PRECISIONS))
    if precision != AUTOMATIC:
        return PRECISIONS[precision]
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def _find(name: str, *, from_files: bool) -> _Source:
    """What ``name`` means; nothing is opened, and without ``from_files`` no path is even looked at."""
    import open_clip  # takes seconds: only when a model is wanted

    if name == "pocket":
        tokenizer = {"bpe_path": str(POCKET / "bpe_simple_vocab_8k.txt.gz")}
        build = partial(_build_open_clip, f"local-dir:{POCKET}", tokenizer_options=tokenizer)
        return _Source(lambda: POCKET / "open_clip_model.safetensors", build)
    if on_hub := HUB_NAME.fullmatch(name):
        family, repository = on_hub.groups()
        return _blip(repository) if family == "blip" else _hub_open_clip(repository)
    if from_files and name.startswith("blip:") and (folder := Path(name.removeprefix("blip:"))).is_dir():
        return _blip(folder)
    architecture, _, pretrained = name.partition("/")
    if architecture not in open_clip.list_models() or not pretrained:
        raise ModelError(
            f"There is no model “{name}”. Use “pocket”, ARCHITECTURE/PRETRAINED such as "
            "“ViT-B-32/laion2b_s34b_b79k”, hf-hub:ORG/REPO or blip:ORG/REPO."
        )
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if pretrained in tags:
        facts = open_clip.get_pretrained_cfg(architecture, pretrained)
        # Some weights were trained with another activation than their architecture's; open_clip would only warn.
        build = partial(_build_open_clip, architecture, tag=pretrained, quick_gelu=facts.get("quick_gelu", False))
        return _Source(lambda: Path(open_clip.download_pretrained(facts)), build)
    if from_files and Path(pretrained).is_file():
        return _Source(lambda: Path(pretrained), partial(_build_open_clip, architecture, tag=pretrained))
    neither = "is neither a file nor" if from_files else "is not among the"
    known = ", ".join(get_close_matches(pretrained, tags, 3) or tags[:6]) or "none"
    raise ModelError(f"“{pretrained}” {neither} pretrained weights of {architecture}, such as: {known}.")


def _hub_open_clip(repository: str) -> _Source:
    from open_clip.pretrained import download_pretrained_from_hf

    return _Source(
        lambda: Path(download_pretrained_from_hf(repository)), partial(_build_open_clip, f"hf-hub:{repository}")
    )


def _blip(source: str | Path) -> _Source:
    def fetch() -> Path:
        from unlearn.blip import WEIGHTS, fetch_blip  # imports transformers

        return source / WEIGHTS if isinstance(source, Path) else fetch_blip(source)

    def build(weights_file: Path) -> Built:
        from unlearn.blip import build_blip

        return build_blip(weights_file.parent)

    return _Source(fetch, build)


def _build_open_clip(
    spec: str,
    weights_file: Path,  # open_clip finds it again by itself
    *,
    tag: str | None = None,
    quick_gelu: bool = False,
    tokenizer_options: dict[str, str] | None = None,
) -> Built:
    import open_clip

    # Unlike open_clip's other ways in, this one fails where weights are missing, instead of making random ones.
    model, preprocess = open_clip.create_model_from_pretrained(spec, pretrained=tag, force_quick_gelu=quick_gelu)
    return model, preprocess, open_clip.get_tokenizer(spec, **(tokenizer_options or {}))
