"""HTML from Jinja templates: every value becomes text on the page, never markup."""

from __future__ import annotations

import math
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def percent(share: float | None, digits: int = 0) -> str:
    """Format a fraction as percent, as Plotly formats it; a dash if it was not measured, None or NaN."""
    return "–" if share is None or math.isnan(share) else f"{share:.{digits}%}"


class Templates(Environment):
    """The ``*.html.j2`` templates of a folder. All values are escaped; an undefined name is an error."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )

    def fill(self, name: str, **values: object) -> str:
        """Render the template ``name`` with ``values``."""
        return self.get_template(f"{name}.html.j2").render(values).strip()
