"""Loading of CLIP models: allowed names, sources of the weights, device, and precision of the arithmetic."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
from PIL import Image

from unlearn import zero_gpu
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.sources import FoundModel, find
from unlearn.errors import ModelError, ParameterError, lacking, require_choice

Result = TypeVar("Result")
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
AUTOMATIC = "auto"


def load_clip(
    name: str = "pocket",
    *,
    device: str | torch.device | None = None,
    precision: str = AUTOMATIC,
    from_files: bool = True,
) -> OpenClipEncoder:
    """Load a CLIP model, frozen and in evaluation mode. Code in a model's repository is never run.

    Args:
        name: ``"pocket"`` for the embedded model; ``"ARCHITECTURE/PRETRAINED"`` in open_clip's names, such as
            ``"ViT-B-32/laion2b_s34b_b79k"``, where the part after the first slash is a tag or a weights file;
            ``"hf-hub:ORG/REPO"`` for open_clip models on a hub; ``"local-dir:FOLDER"`` for a folder written by
            ``erase``, open_clip or transformers' ``CLIPModel``; ``"blip:ORG/REPO"`` or ``"blip:FOLDER"`` for the
            contrastive head of a BLIP model in the format of transformers' ``BlipForImageTextRetrieval``.
        device: device to run on; by default the best one available.
        precision: of the towers' arithmetic: ``float32``, ``bfloat16``, ``float16``, or ``auto``, which is half
            precision on CUDA and float32 elsewhere. Weights and embeddings are float32.
        from_files: allow names that refer to local files. Must be False for names that visitors enter.

    Raises:
        ModelError: the model does not exist, cannot be fetched, is not allowed, or gives non-finite embeddings.
        ParameterError: the precision is unknown, or this machine has no such device.
    """
    fetch = find(name, from_files=from_files)
    device = pick_device(device)
    dtype = _arithmetic(precision, device)
    found = _reported(fetch, name, _not_fetched)
    encoder = _reported(partial(_build, found, name, device, dtype), name, _not_loaded)
    _reported(partial(_require_usable, encoder), name, _not_loaded)
    return encoder


def _build(found: FoundModel, name: str, device: torch.device, dtype: torch.dtype) -> OpenClipEncoder:
    model, preprocess, tokenizer = found.build()
    model = model.to(device).eval().requires_grad_(False)
    return OpenClipEncoder(
        name, model, preprocess, tokenizer, device, found.weights, dtype, architecture=found.architecture
    )


def _require_usable(encoder: OpenClipEncoder) -> None:
    """Raise unless all weights are finite and a text and an image get finite embeddings of the same width.

    Raises:
        ModelError: a check failed; NaN in every score would be measured as a perfect edit.
    """
    for name, tensor in encoder.model.state_dict().items():
        if tensor.is_floating_point() and tensor.numel() and not torch.stack(tensor.aminmax()).isfinite().all():
            raise ModelError(f"Its weights {name} are not all finite numbers.")
    if not math.isfinite(encoder.logit_scale):
        raise ModelError("Its temperature is not a finite number.")
    texts, images = (
        encoder.encode_text(["a photo of a cat"]),
        encoder.encode_image([Image.new("RGB", (64, 48), "grey")]),
    )
    if texts.shape != images.shape:
        raise ModelError(f"It puts texts into {texts.shape[1]} dimensions and pictures into {images.shape[1]}.")


def _reported(act: Callable[[], Result], name: str, in_words: Callable[[str, BaseException], str]) -> Result:
    """Call ``act`` and return its result; turn any error into a sentence about the model ``name``."""
    try:
        return act()
    except ModelError as error:
        raise ModelError(f"The model “{name}” could not be loaded. {error}") from error
    # open_clip, huggingface_hub and safetensors raise various errors; panics of tokenizers are not Exceptions.
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        raise ModelError(lacking(error) or in_words(name, error)) from error


def _not_fetched(name: str, error: BaseException) -> str:
    # Network errors are OSErrors too, but have no error number.
    if isinstance(error, OSError) and error.errno is not None and error.filename:
        return (
            f"The model “{name}” could not be kept on this machine ({error.strerror}). Set HF_HOME to a folder that "
            "can be written; “pocket” needs no download and stays usable."
        )
    return (
        f"The model “{name}” could not be fetched ({type(error).__name__}): no hub can be reached from here, or it "
        "has no such model. “pocket” needs no download and stays usable."
    )


def _not_loaded(name: str, error: BaseException) -> str:
    return (
        f"The model “{name}” could not be loaded ({type(error).__name__}: {str(error)[:200]}). "
        "“pocket” needs no download and stays usable."
    )


def pick_device(name: str | torch.device | None = None) -> torch.device:
    """Return the device ``name``; by default the best available: CUDA, then Apple MPS, then the CPU.

    With ZeroGPU, the CPU is the best: a GPU comes for a run.

    Raises:
        ParameterError: this machine has no such device.
    """
    if name is not None:
        try:
            device = torch.device(name)
            torch.empty(1, device=device)
        # torch raises different errors for a name that it does not know, a build without CUDA and an absent device.
        except (RuntimeError, AssertionError) as error:
            why = str(error).splitlines()[0][:100]
            raise ParameterError(f"device is {str(name)!r}, which this machine does not have ({why}).") from error
        return device
    if zero_gpu.ACTIVE:
        return torch.device("cpu")
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def device_in_words(device: torch.device) -> str:
    """Describe ``device`` for the visitor: "CPU, 2 cores", or the GPU's name."""
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
