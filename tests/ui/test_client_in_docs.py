"""The code in docs/api.md does what it says, against the app as it is started."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
WRITTEN = "http://localhost:7860"


def blocks(language: str) -> Iterator[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert found
    yield from found


@pytest.mark.slow
def test_the_code_for_python_runs_as_it_is_written(real_app: str, capsys):
    for block in blocks("python"):
        exec(compile(block.replace(WRITTEN, real_app), PAGE.name, "exec"), {})  # noqa: S102
    assert "'state': 'done'" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_code_for_curl_runs_as_it_is_written(real_app: str):
    for block in blocks("sh"):
        printed = subprocess.run(
            ["bash", "-c", block.replace(WRITTEN, real_app)], capture_output=True, text=True, check=True, timeout=120
        ).stdout
        erased, found = (
            json.loads(line.removeprefix("data: "))[0] for line in re.findall(r"^data: \[.*", printed, re.M)
        )
        assert erased["forget"] == found["forget"] == ["guitar"]


def test_every_endpoint_is_in_the_table_and_described(fake_app: str):
    offered = httpx.get(f"{fake_app}/gradio_api/info", timeout=60).json()["named_endpoints"]
    assert set(re.findall(r"^\| `(/\w+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)) == set(offered)
    assert all(parameter["parameter_name"] for endpoint in offered.values() for parameter in endpoint["parameters"])
