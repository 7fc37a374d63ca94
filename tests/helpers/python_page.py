"""docs/python.md, written from signatures and docstrings: ``PYTHONPATH=.:tests python -m helpers.python_page``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import unlearn

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
INTRO = """# From Python

What `import unlearn` offers, as `help()` gives it. This page is written from the docstrings; a test compares them.

```python
from unlearn import erase, evaluate, load, load_clip, save

clip = load_clip("pocket")
erasure = erase(clip, ["guitar"], strength=0.8)
print(erasure, evaluate(clip, erasure=erasure), sep="\\n")
save(erasure, "erased", clip)
edited = load("erased", clip).apply(clip)
```
"""
#: Headings and, below each, names of the package in reading order.
PARTS = {
    "Models": ("load_clip", "load_pipeline", "OpenClipEncoder", "EditedEncoder", "TextImageEncoder"),
    "Erasing": ("erase", "RecordedErasure", "save", "load"),
    "Measuring": ("classify", "evaluate", "Evaluation", "audit", "Audit", "write_report"),
    "Drawing": ("generate", "Generation"),
    "Images": ("bundled_gallery", "folder_gallery", "index_images", "search_images"),
    "Errors": ("UnlearnError",),
}


def page() -> str:
    """The whole page."""
    parts = [INTRO]
    for heading, names in PARTS.items():
        parts.append(f"## {heading}\n")
        parts += [_entry(name, getattr(unlearn, name)) for name in names]
    return "\n".join(parts).rstrip() + "\n"


def _entry(name: str, thing: Any) -> str:
    """The section of a function or a class: its signature, its docstring, and a class's own members."""
    lines = [f"### {name}\n"]
    if not inspect.isclass(thing):
        lines.append(f"```py\n{name}{_signature(thing)}\n```\n")
    lines.append(_text(inspect.getdoc(thing) or ""))
    if members := list(_members(thing)) if inspect.isclass(thing) else []:
        lines += ["| member | meaning |", "| --- | --- |", *members, ""]
    return "\n".join(lines)


def _signature(function: Any) -> str:
    """The signature, with an argument a line, as it is written in the source."""
    arguments, kind = [], inspect.Parameter
    for number, known in enumerate(parameters := list(inspect.signature(function).parameters.values())):
        if known.name == "self":
            continue
        if known.kind is kind.KEYWORD_ONLY and parameters[number - 1].kind is not kind.KEYWORD_ONLY:
            arguments.append("*")
        stars = {kind.VAR_POSITIONAL: "*", kind.VAR_KEYWORD: "**"}.get(known.kind, "")
        # A path is of this machine.
        default = "…" if isinstance(known.default, Path) else repr(known.default)
        arguments.append(
            f"{stars}{known.name}: {known.annotation}" + (f" = {default}" if known.default is not kind.empty else "")
        )
    returned = f" -> {inspect.signature(function).return_annotation}"
    one = f"({', '.join(arguments)}){returned}"
    return one if len(one) < 90 else "(\n    " + ",\n    ".join(arguments) + f",\n){returned}"


def _members(thing: type[Any]) -> Iterator[str]:
    for name, member in vars(thing).items():
        function = member.fget if isinstance(member, property) else getattr(member, "func", member)
        if name.startswith("_") or not inspect.isfunction(function) or not (about := inspect.getdoc(function)):
            continue
        called = (
            ""
            if function is not member
            else re.sub(r",?\n *", lambda m: "" if m[0][0] != "," else ", ", _signature(function))
        )
        text = _linked(" ".join(about.split("\n\n")[0].split())).replace("|", "\\|")
        yield f"| `{name}{called.replace('|', chr(92) + '|')}` | {text} |"


def _text(docstring: str) -> str:
    """A docstring in Markdown: a section's entries as a list."""
    lines: list[str] = []
    for line in docstring.splitlines():
        if re.fullmatch(r"[A-Z][\w ]*:", line):
            lines.append(f"{line[:-1]}:\n")
        elif found := re.match(r" {4}(\S.*?): (.*)", line):
            lines.append(f"- `{found[1]}`: {_linked(found[2])}")
        elif line.startswith("    "):
            lines[-1] += " " + _linked(line.strip())
        else:
            lines.append(_linked(line))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def _linked(text: str) -> str:
    """``text`` with Sphinx's roles and double backticks as Markdown writes them."""
    return re.sub(r":\w+:`~?([^`]*)`", r"`\1`", text).replace("``", "`")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
