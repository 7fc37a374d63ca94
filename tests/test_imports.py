"""The order in which the parts of the package are built on each other, as CONTRIBUTING gives it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: The package's face and the command line's door: they name what lies anywhere.
DOORS = {"__init__", "__main__"}


def parts_in_order() -> list[str]:
    """The parts that CONTRIBUTING lists, each above those before it."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (order,) = re.findall(r"Imports point one way[^:]*: ([^.]+)\.", text)
    return re.findall(r"\w+", order)


def imports() -> Iterator[tuple[Path, int, str, str]]:
    """Every import of one part by another, at the head of a file, in a function or for types alone."""
    for file in sorted((ROOT / "unlearn").rglob("*.py")):
        part = file.relative_to(ROOT / "unlearn").parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "unlearn":
                _, *inner = node.module.split(".")
                for imported in inner[:1] or [alias.name for alias in node.names]:
                    yield file, node.lineno, part, imported


def test_every_part_has_one_place_in_the_order():
    there = {path.stem for path in (ROOT / "unlearn").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert sorted(parts_in_order()) == sorted(there - DOORS - {"__pycache__"})


def test_a_part_imports_those_below_it_only():
    height = {part: number for number, part in enumerate(parts_in_order())}
    upward = [
        f"{file.relative_to(ROOT)}:{line} imports {imported}"
        for file, line, part, imported in imports()
        if part not in DOORS and height[imported] > height[part]
    ]
    assert not upward
