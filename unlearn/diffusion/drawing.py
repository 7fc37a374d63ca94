"""Generation of images before and after an edit from the same seeds, in one batch, step by step."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from unlearn.diffusion.pipelines import LoadedPipeline, PipelineSpec
from unlearn.diffusion.stepwise import stepwise
from unlearn.errors import ConceptError, require_positive, require_whole
from unlearn.progress import Progress, steps_text

MAX_PROMPT, MAX_SEED, MAX_STEPS, MAX_GUIDANCE, MAX_IMAGES = 20_000, 2**32 - 1, 150, 30.0, 8
Images = tuple[Image.Image, ...]
#: Number of previews of a run; each decodes only one pair of images, so that previews cost little.
PREVIEWS = 5
#: Arguments of the pipelines for the results of ``encode_prompt``, in order: Stable Diffusion has the first two, SDXL
#: all four.
CONDITIONING = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
)


@dataclass(frozen=True)
class Drawing:
    """Prompt and parameters of a run: image i of ``count`` starts from the noise of ``seed`` + i.

    Raises:
        ConceptError: the prompt is empty or too long.
        ParameterError: a number is outside its allowed range.
    """

    prompt: str
    seed: int = 0
    steps: int = 25
    guidance: float = 4.0
    count: int = 4

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise ConceptError("The prompt is empty; say what to draw, such as “a cat and a pizza”.")
        if len(self.prompt) > MAX_PROMPT:
            raise ConceptError(f"The prompt has {len(self.prompt):,} characters; at most {MAX_PROMPT:,} are allowed.")
        require_whole("seed", self.seed, lowest=0, largest=MAX_SEED)
        require_whole("steps", self.steps, largest=MAX_STEPS)
        require_whole("number of pictures", self.count, largest=MAX_IMAGES)
        require_positive("guidance", self.guidance, largest=MAX_GUIDANCE, zero_allowed=True)

    @classmethod
    def of(
        cls, known: PipelineSpec, prompt: str, *, seed: int, count: int, steps: int | None, guidance: float | None
    ) -> Drawing:
        """Return a drawing with the pipeline's own number of ``steps`` and ``guidance`` where these are None."""
        steps = known.steps if steps is None else steps
        return cls(prompt, seed, steps, known.guidance if guidance is None else guidance, count)


@dataclass(frozen=True, eq=False)
class Step(Progress):
    """A completed step, sometimes with a preview of the first image before and after the edit."""

    preview: tuple[Image.Image, Image.Image] | None = None


@dataclass(frozen=True, eq=False)
class Pair:
    """The finished images, in the order of their seeds, and notices for the user."""

    drawing: Drawing
    before: Images
    after: Images
    notices: tuple[str, ...] = ()


def draw(original: LoadedPipeline, edited: LoadedPipeline, drawing: Drawing) -> Generator[Step, None, Pair]:
    """Draw ``drawing`` with both pipelines, which share everything but their text encoders."""
    seeds = range(drawing.seed, drawing.seed + drawing.count)
    before, after = yield from paint(
        original, edited, [drawing.prompt] * drawing.count, seeds, steps=drawing.steps, guidance=drawing.guidance
    )
    cut = _cut(original, drawing.prompt)
    return Pair(drawing, before, after, (cut,) if cut else ())


def paint(
    original: LoadedPipeline,
    edited: LoadedPipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    *,
    steps: int,
    guidance: float,
) -> Generator[Step, None, tuple[Images, Images]]:
    """Draw one image per prompt and seed before and after the edit, in one batch with the same noise and schedule.

    If the edit does not change the states of any prompt, images are drawn once and returned as both before and after.
    Closing the generator ends the run within a step.
    """
    count = len(prompts)
    before, after = (_conditioning(loaded, prompts, guidance) for loaded in (original, edited))
    same = all(torch.equal(before[name], after[name]) for name in before)
    sides = [before] if same else [before, after]
    latents = _latents(original, seeds)
    arguments: dict[str, Any] = {name: torch.cat([side[name] for side in sides]) for name in before}
    pipeline = original.pipeline

    every = max(1, steps // PREVIEWS)

    def call(report: Callable[[Step], None]) -> list[Image.Image]:
        def on_step(_: Any, index: int, __: Any, values: dict[str, Tensor]) -> dict[str, Tensor]:
            step, shown = index + 1, None
            if step % every == 0 and step < steps:
                first = _decode(original, values["latents"][::count])
                shown = (first[0], first[-1])
            report(Step(step, steps, steps_text(step, steps), shown))
            return {}

        out = pipeline(
            **arguments,
            latents=torch.cat([latents] * len(sides)),
            num_inference_steps=steps,
            guidance_scale=guidance,
            height=original.known.size,
            width=original.known.size,
            callback_on_step_end=on_step,
        )
        images: list[Image.Image] = out.images
        return images

    drawn = yield from stepwise(call)
    return tuple(drawn[:count]), tuple(drawn[-count:])


@torch.inference_mode()
def _conditioning(loaded: LoadedPipeline, prompts: Sequence[str], guidance: float) -> dict[str, Tensor]:
    """Return the denoiser's conditioning on the prompts, one row each, and with guidance also the unconditional one."""
    pipeline = loaded.pipeline
    encoded = pipeline.encode_prompt(
        prompt=list(prompts),
        device=pipeline._execution_device,
        num_images_per_prompt=1,
        do_classifier_free_guidance=guidance > 1,
    )
    return {name: value for name, value in zip(CONDITIONING, encoded, strict=False) if value is not None}


def _latents(loaded: LoadedPipeline, seeds: Sequence[int]) -> Tensor:
    """Return noise for every seed, (n, channels, height, width), drawn on the CPU to be the same for every device."""
    pipeline = loaded.pipeline
    side = loaded.known.size // pipeline.vae_scale_factor
    shape = (1, pipeline.unet.config.in_channels, side, side)
    noise = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.cat(noise).to(pipeline._execution_device, pipeline.unet.dtype)


@torch.inference_mode()
def _decode(loaded: LoadedPipeline, latents: Tensor) -> list[Image.Image]:
    pipeline = loaded.pipeline
    decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor, return_dict=False)[0]
    images: list[Image.Image] = pipeline.image_processor.postprocess(decoded, output_type="pil")
    return images


def _cut(loaded: LoadedPipeline, prompt: str) -> str:
    """Return a sentence about the part of ``prompt`` that exceeds the text encoder's context, or an empty string."""
    text_encoder = loaded.text_encoders[0]
    offsets = text_encoder.tokenizer(prompt, return_offsets_mapping=True).offset_mapping
    if len(offsets) <= text_encoder.tokens:
        return ""
    start = offsets[text_encoder.tokens - 1][0]
    rest = prompt[start:].strip()
    shown = rest if len(rest) <= 60 else f"{rest[:60]}…"
    return f"The text encoder reads {text_encoder.tokens - 2} tokens; what follows was cut: “{shown}”."
