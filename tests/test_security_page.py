"""SECURITY.md names what there is."""

from __future__ import annotations

import re
from pathlib import Path

from unlearn.bench import BENCHES
from unlearn.config import Settings

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_tests_that_it_names_are_there():
    named = re.findall(r"`(tests/[^`]+)`", PAGE)
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_links_lead_to_headings():
    links = re.findall(r"\]\(([^)#]+)#([^)]+)\)", PAGE)
    assert links
    for page, anchor in links:
        headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}, (
            page,
            anchor,
        )


def test_commands_and_settings_are_those_of_the_program():
    assert set(re.findall(r"unlearn bench (\w+)", PAGE)) <= set(BENCHES)
    assert all(f"`{name}`" in Settings.table() for name in re.findall(r"UNLEARN_\w+", PAGE))
