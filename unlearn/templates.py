"""HTML from Jinja templates: all values are escaped, so they appear as text and never as markup."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


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
