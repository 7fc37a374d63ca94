"""Drawn pictures as HTML: taking shape, in two rows, and what is seen in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from unlearn.ui.background import Moving, told
from unlearn.ui.html.templates import fill, small

if TYPE_CHECKING:
    from PIL import Image

    from unlearn.app.drawings import Drawn, DrawStatus, Progress, Rates

#: Letters of a prompt that stand over its pictures.
LONGEST = 160


def no_drawing() -> str:
    """Where pictures are going to be shown."""
    return small("Nothing drawn yet. Four pairs take some ten seconds on a laptop.")


def drawing_status(status: DrawStatus) -> str:
    """A drawing in a sentence, and while it moves a bar and the first pair as it takes shape."""
    return told(
        status,
        _drawing,
        stopped="Stopped. The pictures drawn before are still here.",
        preview=_preview(status.progress),
    )


def _drawing(last: Progress | None) -> Moving:
    from unlearn.diffusion.drawing import Step

    if last is None:
        return Moving("Loading the diffusion model and carrying the edit into it.")
    if last.step == last.steps:
        return Moving("Looking at the pictures.", 1)
    left = f", about {last.seconds_left:.0f} s left" if isinstance(last, Step) else ""
    return Moving(f"Step {last.step} of {last.steps}{left}.", last.step, last.steps)


def _preview(progress: Sequence[Progress]) -> tuple[Image.Image, Image.Image] | tuple[()]:
    """The first pair, before and after, as it last took shape."""
    from unlearn.diffusion.drawing import Step

    return next((p.preview for p in reversed(progress) if isinstance(p, Step) and p.preview), ())


def drawn(result: Drawn) -> str:
    """Two rows of pictures, the same seed above itself, and what judge and original CLIP see in them."""
    return fill(
        "drawn",
        drawing=result.pair.drawing,
        pair=result.pair,
        detections=list(zip(*result.detections, strict=True)),
        erased=result.erased,
        notices=result.notices,
        longest=LONGEST,
    )


def judged_rates(rates: Rates) -> str:
    """How often what was asked for is seen, before and after, over a batch of prompts."""
    return fill("rates", rates=rates)
