"""The notebook runs as it is written, and results are shown there as tables of text."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

import unlearn
from unlearn.concepts.prompts import Concept
from unlearn.files.assets import EXAMPLES

CELLS = json.loads((EXAMPLES / "quickstart.ipynb").read_text(encoding="utf-8"))["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_the_notebook_runs_as_it_is_written(capsys):
    names: dict[str, Any] = {}
    for cell in CODE:
        exec(compile("".join(cell["source"]), "quickstart.ipynb", "exec"), names)  # noqa: S102
    assert names["evaluation"].zero_shot.forget.top1 == 0
    assert "'guitar'" in capsys.readouterr().out


def test_it_was_executed_and_shows_tables_and_images_and_no_path_of_a_machine():
    assert [cell["execution_count"] for cell in CODE] == list(range(1, len(CODE) + 1))
    shown = json.dumps([cell["outputs"] for cell in CODE])
    assert shown.count("text/html") >= 3
    assert "data:image/png;base64," in shown
    assert not [path for path in ("/root", "/home", "Traceback") if path in shown]


@pytest.mark.parametrize("measured", [True, False])
def test_a_result_is_a_table_whose_words_stay_words(pocket, measured: bool):
    erasure = unlearn.erase(pocket, ["guitar"], measure=measured)
    hostile = replace(erasure.erasure.selection, forget=(Concept("<script>alert(1)</script>"),))
    shown = replace(erasure, erasure=replace(erasure.erasure, selection=hostile))._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert ("<td>forget</td>" in shown) is measured
