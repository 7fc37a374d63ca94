"""CLIP models by name: what a name may be, how it is loaded, on which device, and which ones are kept in memory."""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch

from unlearn.config import ASSETS
from unlearn.encoders import OpenClipEncoder, TextImageEncoder
from unlearn.errors import ModelError

POCKET = ASSETS / "models" / "pocket-clip"
HUB = "hf-hub:"
#: ORG/REPO as a hub allows it, so that no name of a visitor's can leave the hub for the file system.
HUB_NAME = re.compile(r"[A-Za-z0-9](?:[\w.-]*\w)?/[A-Za-z0-9](?:[\w.-]*\w)?", re.ASCII)


@dataclass(frozen=True)
class Curated:
    """A model worth trying: parameters in millions, and the licence of its weights."""

    millions: float
    licence: str


#: Sizes are counted from open_clip's architectures; licences are those of the repositories that open_clip fetches.
CURATED = {
    "pocket": Curated(9.2, "Apache-2.0"),
    "ViT-B-32/laion2b_s34b_b79k": Curated(151.3, "MIT"),
    "ViT-L-14/openai": Curated(427.6, "MIT"),
    "ViT-H-14/laion2b_s32b_b79k": Curated(986.1, "MIT"),
    "convnext_base_w/laion2b_s13b_b82k": Curated(179.4, "MIT"),
    "MobileCLIP-S1/datacompdr": Curated(84.8, "Apple, research only"),
    "ViT-B-16-SigLIP/webli": Curated(203.2, "Apache-2.0"),
}
#: How many models stay in memory beside the one that the app started with.
KEPT = 2


def pick_device() -> torch.device:
    """The best device this machine has: CUDA, then Apple MPS, then the CPU."""
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


@dataclass(frozen=True)
class _Source:
    """Where open_clip finds a model: its own name for it, and what stands behind the first slash."""

    spec: str
    pretrained: str | None = None
    quick_gelu: bool = False
    weights_file: Path | None = None


def load_clip(
    name: str = "pocket", *, device: str | torch.device | None = None, from_files: bool = True
) -> OpenClipEncoder:
    """Load a CLIP model, frozen and in evaluation mode.

    Args:
        name: ``"pocket"`` for the embedded model; ``"ARCHITECTURE/PRETRAINED"`` as open_clip names them, such as
            ``"ViT-B-32/laion2b_s34b_b79k"``, where what stands behind the first slash is a tag or a weights file;
            or ``"hf-hub:ORG/REPO"``.
        device: where to run; the best there is by default.
        from_files: whether PRETRAINED may be a file. Never where the name is a visitor's.

    Raises:
        ModelError: no such model, or its weights cannot be had.
    """
    import open_clip  # takes seconds: only when a model is wanted

    source = _find(name, from_files=from_files)
    device = torch.device(device) if device is not None else pick_device()
    tokenizer_options = {"bpe_path": str(POCKET / "bpe_simple_vocab_8k.txt.gz")} if name == "pocket" else {}
    try:
        # Unlike open_clip's other ways in, this one fails where weights are missing, instead of making random ones.
        model, preprocess = open_clip.create_model_from_pretrained(
            source.spec, pretrained=source.pretrained, device=device, force_quick_gelu=source.quick_gelu
        )
        tokenizer = open_clip.get_tokenizer(source.spec, **tokenizer_options)
    # open_clip, huggingface_hub and safetensors each raise their own kinds for a hub out of reach or a damaged file.
    except Exception as error:
        raise ModelError(
            f"The model “{name}” could not be loaded ({type(error).__name__}: {str(error)[:200]}). "
            "“pocket” needs no download and stays usable."
        ) from error
    model = model.eval().requires_grad_(False)
    return OpenClipEncoder(name, model, preprocess, tokenizer, device, source.weights_file)


def _find(name: str, *, from_files: bool) -> _Source:
    """What ``name`` means; nothing is opened, and without ``from_files`` no path is even looked at."""
    import open_clip

    if name == "pocket":
        return _Source(f"local-dir:{POCKET}", weights_file=POCKET / "open_clip_model.safetensors")
    if name.startswith(HUB) and HUB_NAME.fullmatch(name.removeprefix(HUB)) and ".." not in name:
        return _Source(name)
    architecture, _, pretrained = name.partition("/")
    if architecture not in open_clip.list_models() or not pretrained:
        raise ModelError(
            f"There is no model “{name}”. Use “pocket”, ARCHITECTURE/PRETRAINED such as "
            "“ViT-B-32/laion2b_s34b_b79k”, or hf-hub:ORG/REPO."
        )
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if pretrained in tags:
        # Some weights were trained with another activation than their architecture's; open_clip would only warn.
        facts: dict[str, Any] = open_clip.get_pretrained_cfg(architecture, pretrained)
        return _Source(architecture, pretrained, quick_gelu=facts.get("quick_gelu", False))
    if from_files and Path(pretrained).is_file():
        return _Source(architecture, pretrained, weights_file=Path(pretrained))
    neither = "is neither a file nor" if from_files else "is not among the"
    known = ", ".join(get_close_matches(pretrained, tags, 3) or tags[:6]) or "none"
    raise ModelError(f"“{pretrained}” {neither} pretrained weights of {architecture}, such as: {known}.")


class Models:
    """The models in memory, shared by all visitors: the one the app started with, and those last asked for."""

    def __init__(self, own: TextImageEncoder) -> None:
        self.own = own
        self._others: OrderedDict[str, TextImageEncoder] = OrderedDict()
        self._reading = threading.Lock()
        # Loading takes seconds to minutes: one at a time, and whoever wants a loaded model does not wait for it.
        self._loading = threading.Lock()

    def get(self, name: str) -> TextImageEncoder:
        """The model ``name``, the app's own for ``""``; loaded if it is not there, the least recently used makes room.

        Raises:
            ModelError: there is none of that name, or it cannot be had.
        """
        found = self.find(name)
        if found is None:
            with self._loading:
                found = self.find(name) or self._keep(name, load_clip(name, from_files=False))
        return found

    def find(self, name: str) -> TextImageEncoder | None:
        """The model ``name`` if it is in memory."""
        if name in ("", self.own.name):
            return self.own
        with self._reading:
            if name in self._others:
                self._others.move_to_end(name)
            return self._others.get(name)

    def _keep(self, name: str, encoder: TextImageEncoder) -> TextImageEncoder:
        with self._reading:
            self._others[name] = encoder
            while len(self._others) > KEPT:
                self._others.popitem(last=False)
        return encoder
