"""The order in which the package is built: its parts as CONTRIBUTING gives them, its modules without a circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: The package's face and the command line's entry: they name what lies anywhere.
ENTRIES = {"__init__", "__main__"}
#: Modules that may stand on one another, the lowest and the highest counted.
LONGEST_CHAIN = 20

Node = ast.Import | ast.ImportFrom
#: Functions that import what they are given the name of.
LOADERS = {"import_module", "resolve_name", "imported", "__import__"}


def files() -> dict[str, Path]:
    """The files of the package, by the names of their modules."""
    named = {}
    for file in sorted((ROOT / "unlearn").rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return named


def imports(file: Path) -> Iterator[tuple[Node, str]]:
    """Every import of ``file``, at its head, in a function or for types alone, with the module that it names."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield node, inner if inner in FILES else str(node.module)


FILES = files()
#: The modules that each imports, of ours.
GRAPH = {
    name: {imported for _, imported in imports(file)} & FILES.keys() - {name, "unlearn"}
    for name, file in FILES.items()
    if file.stem not in ENTRIES or file.parent != ROOT / "unlearn"
}


def part(module: str) -> str:
    return module.split(".")[1]


def parts_in_order() -> list[str]:
    """The parts that CONTRIBUTING lists, each above those before it."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (order,) = re.findall(r"Imports point one way[^:]*: ([^.]+)\.", text)
    return re.findall(r"\w+", order)


def test_every_part_has_one_place_in_the_order():
    there = {path.stem for path in (ROOT / "unlearn").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert sorted(parts_in_order()) == sorted(there - ENTRIES - {"__pycache__"})


def test_a_part_imports_those_below_it_only():
    height = {name: number for number, name in enumerate(parts_in_order())}
    upward = [
        f"{module} imports {imported}"
        for module, below in GRAPH.items()
        for imported in below
        if height[part(imported)] > height[part(module)]
    ]
    assert not upward


def test_no_modules_import_each_other_in_a_circle():
    try:
        TopologicalSorter(GRAPH).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_the_longest_chain_of_modules_can_be_followed():
    chains: dict[str, list[str]] = {}
    for module in TopologicalSorter(GRAPH).static_order():
        chains[module] = [module, *max((chains[below] for below in GRAPH[module]), key=len, default=[])]
    longest = max(chains.values(), key=len)
    assert len(longest) <= LONGEST_CHAIN, " → ".join(longest)


def test_only_the_page_imports_gradio():
    below = parts_in_order()[: parts_in_order().index("ui")]
    found = [
        f"{module} imports {imported}"
        for module in GRAPH
        if part(module) in below
        for _, imported in imports(FILES[module])
        if imported.split(".")[0] in {"gradio", "gradio_client"}
    ]
    assert "app" in below
    assert not found


def test_names_are_loaded_late_in_one_place():
    """An import in a function hides a circle or a cost; ``unlearn.late`` is for what start-up must not wait for."""
    late = [
        f"{module}:{inner.lineno} {ast.unparse(inner)}"
        for module, file in FILES.items()
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(function)
        if isinstance(inner, Node)
        or (isinstance(inner, ast.Call) and ast.unparse(inner.func).split(".")[-1] in LOADERS)
    ]
    assert {line.split(":")[0] for line in late} <= {"unlearn.late", "unlearn.cli.app"}, late
