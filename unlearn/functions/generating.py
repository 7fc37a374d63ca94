"""Generate images before and after an erasure, with the same seeds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.loading import load_clip
from unlearn.diffusion.apply_edits import EditedPipeline
from unlearn.diffusion.drawing import Drawing, Pair, draw
from unlearn.diffusion.pipelines import LoadedPipeline, load_pipeline
from unlearn.diffusion.records import Detections, apply_erasure_to_pipeline, counts, judged, report, save_pair
from unlearn.files.writing import require_folder
from unlearn.functions.arguments import OnProgress
from unlearn.functions.erasing import unedited
from unlearn.functions.notebook import as_table
from unlearn.functions.recorded import RecordedErasure
from unlearn.progress import run_to_end


@dataclass(frozen=True, eq=False, repr=False)
class Generation:
    """Images from the same seeds before and after an erasure, and detections; printed as one line per concept.

    Attributes:
        pair: prompt, parameters and images.
        edited_pipeline: the pipeline with the erasure in it.
        detections: detections of each concept, before and after.
        erasure: the erasure and its record.
    """

    pair: Pair
    edited_pipeline: EditedPipeline
    detections: Detections
    erasure: RecordedErasure

    @property
    def before(self) -> tuple[Image.Image, ...]:
        """The original model's images, in the order of their seeds."""
        return self.pair.before

    @property
    def after(self) -> tuple[Image.Image, ...]:
        """The edited model's images, in the order of their seeds."""
        return self.pair.after

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences about how the erasure was carried to the pipeline, and about the prompt."""
        return (*self.edited_pipeline.notices, *self.pair.notices)

    def __repr__(self) -> str:
        asked = self.pair.drawing
        return f"Generation(prompt={asked.prompt!r}, pipeline={self.edited_pipeline.loaded.name!r}, n={asked.count})"

    def __str__(self) -> str:
        return "\n".join(counts(self.detections))

    def _repr_html_(self) -> str:
        """Return what notebooks show."""
        drawn = {"before": self.before, "after": self.after}
        return as_table(f"{self.pair.drawing.prompt}: the same seeds before and after", (), drawn=drawn)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as in ``generation.json``, without the erasure's and without hashes."""
        return report(self.pair, self.edited_pipeline, self.detections)

    def save(self, folder: str | Path, *, export: bool = False) -> dict[str, Any]:
        """Write ``before_0.png``, ``after_0.png``, …, and ``generation.json``, which is returned.

        Args:
            folder: folder to write to.
            export: whether to write also the edit for other tools, with its model card: ``token_gate.safetensors``,
                or ``cross_attention.safetensors`` where the edit is linear.

        Raises:
            ParameterError: the folder cannot be written to.
        """
        require_folder(Path(folder))
        record = self.erasure.record
        return save_pair(Path(folder), self.pair, self.edited_pipeline, self.detections, record, export=export)


def generate(
    prompt: str,
    erasure: RecordedErasure,
    clip: OpenClipEncoder | None = None,
    *,
    pipeline: str | LoadedPipeline = "pocket",
    carry_method: str = "gated",
    seed: int = 0,
    n: int = 4,
    steps: int | None = None,
    guidance: float | None = None,
    on_progress: OnProgress | None = None,
) -> Generation:
    """Generate images for a prompt with a diffusion model before and after an erasure, from the same seeds.

    Args:
        prompt: text to draw.
        erasure: result of :func:`unlearn.erase` or :func:`unlearn.load`.
        clip: the unedited model that the erasure was made from; by default the one whose text tower the pipeline uses.
        pipeline: name of a pipeline, or a result of :func:`unlearn.load_pipeline`, which avoids loading it again.
        carry_method: how CCUP is carried to the pipeline: ``gated``, ``ridge`` or ``pull_back``.
        seed: seed of the first image; each further image adds one.
        n: number of images.
        steps: denoising steps; the pipeline's by default.
        guidance: guidance scale; the pipeline's by default.
        on_progress: called with each :class:`unlearn.progress.Progress`, which has ``done``, ``total`` and ``text``.

    Raises:
        ConceptError, ParameterError: an argument cannot be used; the message says what is allowed.
        ModelError: there is no such pipeline, or the edit cannot be carried to it.
    """
    loaded = pipeline if isinstance(pipeline, LoadedPipeline) else load_pipeline(pipeline)
    drawing = Drawing.of(loaded.known, prompt, seed=seed, count=n, steps=steps, guidance=guidance)
    base = unedited(load_clip(loaded.known.clips[0]) if clip is None else clip)
    edited = apply_erasure_to_pipeline(loaded, base, erasure.erasure, carry_method=carry_method)
    pair = run_to_end(draw(loaded, edited.loaded, drawing), on_progress)
    return Generation(pair, edited, judged(pair, erasure.forget, base), erasure)
