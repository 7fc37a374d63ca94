"""Results as notebooks show them: an HTML table, with images if there are any."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from unlearn.data.images import data_uri
from unlearn.templates import Templates

_templates = Templates(Path(__file__).parent)
_templates.filters["data_uri"] = data_uri


def as_table(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[object]] = (),
    drawn: Mapping[str, Sequence[Image.Image]] | None = None,
) -> str:
    """Return an HTML table; ``drawn`` adds a row of images for each of its names. All values are escaped."""
    return _templates.fill("result", caption=caption, head=head, rows=list(rows), drawn=drawn or {})
