"""The documents: short where they promise to be, without a dead link, and with code that runs as it is written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import python_page

import unlearn
from unlearn.cli import build_parser
from unlearn.data.gallery import bundled_gallery

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
PAGES += [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "assets").rglob("*.md"))]
#: The concepts of the examples: the embedded models name and draw both.
SHOWN = ("guitar", "pizza")


def body(page: Path) -> str:
    """The page without the configuration at its head."""
    return re.sub(r"\A---\n.*?\n---\n", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def blocks(page: Path, language: str) -> Iterator[str]:
    """The code blocks of ``page`` in ``language``."""
    yield from re.findall(rf"^```{language}\n(.*?)^```", body(page), re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The headings of ``page`` as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", body(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def commands() -> list[str]:
    """The lines of docs/cli.md that call the command line."""
    lines = [line.split(" #")[0].strip() for block in blocks(ROOT / "docs/cli.md", "sh") for line in block.splitlines()]
    return [line.removeprefix("python -m unlearn ") for line in lines if line.startswith("python -m unlearn ")]


def test_the_readme_is_read_in_five_minutes():
    text = re.sub(r"^\|.*$|^```.*?^```|<!--.*?-->", "", body(ROOT / "README.md"), flags=re.MULTILINE | re.DOTALL)
    assert len(text.split()) <= 1200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", body(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_every_table_has_as_many_cells_in_each_row():
    for page in PAGES:
        for table in re.findall(r"(?:^\|.*\|\n)+", body(page), re.MULTILINE):
            counts = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(counts) == 1, f"{page.name}: {table[:80]}"


@pytest.mark.parametrize("page", [ROOT / "README.md", python_page.PAGE], ids=lambda page: page.name)
def test_the_code_for_python_runs_as_it_is_written(page: Path, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    next(p for p in bundled_gallery().test if p.concept == SHOWN[0]).load().save("guitar.png")
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), {})  # noqa: S102
    assert SHOWN[0] in capsys.readouterr().out


def test_the_page_for_python_is_that_of_the_docstrings():
    assert sorted(name for names in python_page.PARTS.values() for name in names) == unlearn.__all__
    assert python_page.PAGE.read_text(encoding="utf-8") == python_page.page(), python_page.__doc__


@pytest.mark.parametrize("command", commands())
def test_every_command_is_one_that_the_command_line_takes(command: str):
    assert build_parser().parse_args(shlex.split(command))
