"""Drawn pictures as HTML: taking shape, in two rows, and what is seen in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from unlearn.ui.html.templates import fill, small

if TYPE_CHECKING:
    from PIL import Image

    from unlearn.app.drawings import Drawn, Rates
    from unlearn.jobs import Progress

#: Letters of a prompt that stand over its pictures.
LONGEST = 160


def no_drawing() -> str:
    """Where pictures are going to be shown."""
    return small("Nothing drawn yet. Four pairs take some ten seconds on a laptop.")


def preview(progress: Sequence[Progress]) -> Sequence[Image.Image]:
    """The first pair, before and after, as it last took shape."""
    previews = (getattr(step, "preview", None) for step in reversed(progress))
    return next(filter(None, previews), ())


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
