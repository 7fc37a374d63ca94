"""Templates of the page, and filters that format numbers, images and colours in them."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path

from unlearn.data.images import count_in_words, data_uri
from unlearn.plots.style import COLOURS
from unlearn.templates import Templates, percent


def is_among(name: str, names: Collection[str]) -> bool:
    """Return whether ``name`` is one of ``names``, ignoring case."""
    return name.casefold() in {other.casefold() for other in names}


#: Templates, texts and styles of the page.
FOLDER = Path(__file__).parent
_templates = Templates(FOLDER)
_templates.filters |= {
    "colour": COLOURS.__getitem__,
    "count_in_words": count_in_words,
    "data_uri": data_uri,
    "percent": percent,
}
_templates.tests |= {"among": is_among, "nan": math.isnan}
fill = _templates.fill


def small(*sentences: str, heading: str = "") -> str:
    """Return small print, one paragraph per sentence, with an optional heading."""
    return fill("small", heading=heading, sentences=sentences)
