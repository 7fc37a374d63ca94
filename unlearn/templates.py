"""HTML from Jinja templates: whatever a value holds becomes text on the page, never markup."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


class Templates(Environment):
    """The ``*.html.j2`` of a folder. All values are escaped; a name that stands for nothing is an error."""

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
        """The template ``name`` with ``values`` in it."""
        return self.get_template(f"{name}.html.j2").render(values).strip()
