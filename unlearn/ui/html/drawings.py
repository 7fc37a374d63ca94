"""Drawn images as HTML: a preview while they are drawn, then two rows and what was detected in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from unlearn.ui.html.templates import fill, small

if TYPE_CHECKING:
    from PIL import Image

    from unlearn.app.runs.drawings import Drawn
    from unlearn.progress import Progress

#: Longest part of a prompt, in characters, that is shown above its images.
LONGEST = 160


def no_drawing() -> str:
    """Return the placeholder for drawn images."""
    return small("Nothing drawn yet. Four pairs take some ten seconds on a laptop.")


def offers(prompts: Mapping[str, str], draws: Mapping[str, str], pipeline: str) -> str:
    """Return buttons that write a prompt: ``prompts`` to begin with, and ``draws``, of all that ``pipeline`` draws."""
    return fill("offers", prompts=prompts, pipeline=pipeline, draws=draws)


def preview(progress: Sequence[Progress]) -> Sequence[Image.Image]:
    """Return the latest preview of the first pair, before and after."""
    previews = (getattr(step, "preview", None) for step in reversed(progress))
    return next(filter(None, previews), ())


def drawn(result: Drawn) -> str:
    """Return two rows of images, each seed above itself, with the detections of the judge and the original CLIP."""
    return fill(
        "drawn",
        drawing=result.pair.drawing,
        pair=result.pair,
        detections=list(zip(*result.detections, strict=True)),
        erased=result.erased,
        notices=result.notices,
        longest=LONGEST,
    )
