"""The wheel: built here, installed in another folder, and used there as somebody does who has nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.calling import visiting

import unlearn
from unlearn.bench.serving import served

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
#: The packages of the running environment, which the fresh one may use: nothing is downloaded.
SITES = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(out), str(ROOT)], check=True, timeout=300)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment that has the wheel."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False)
    programs = home / "bin"
    command = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "--quiet"]
    subprocess.run([*command, "--no-deps", "--no-index", str(wheel)], check=True, timeout=300)
    (own,) = home.glob("lib/python*/site-packages")
    (own / "packages.pth").write_text("\n".join(SITES) + "\n", encoding="utf-8")
    return programs


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program of the fresh environment in an empty folder, as a user without a home."""
    environ = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "HOME", "VIRTUAL_ENV"}}

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(installed / program), *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=300
        )

    return run


def test_the_wheel_has_all_that_is_read_and_nothing_else(wheel: Path):
    inside = zipfile.ZipFile(wheel).namelist()
    assert {"unlearn/py.typed", "unlearn/assets/vocabulary.json", "unlearn/assets/gallery/gallery.zip"} <= set(inside)
    assert {f"unlearn/examples/{path.name}" for path in (ROOT / "examples").glob("*.py")} <= set(inside)
    assert {name.split("/")[0] for name in inside} == {"unlearn", f"unlearn_clip-{wheel.name.split('-')[1]}.dist-info"}
    assert not [name for name in inside if "/build/" in name or "__pycache__" in name]
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "unlearn").rglob("*") if path.is_file()}
    assert {name for name in there if "__pycache__" not in name} <= set(inside)


@pytest.mark.slow
def test_a_wheel_in_an_empty_folder_erases_and_evaluates(run: Any, tmp_path: Path):
    assert run("unlearn-clip", "--version").stdout == f"unlearn-clip {unlearn.__version__}\n"
    erased = run("unlearn-clip", "erase", "--forget", "guitar", "--out", "erased")
    assert erased.returncode == 0, erased.stderr
    evaluated = run("python", "-m", "unlearn", "evaluate", "--erasure", "erased", "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    assert json.loads(evaluated.stdout)["forget"]["top1"] == 0.0
    where = run("python", "-c", "import unlearn, unlearn.files.assets as a; print(unlearn.__file__, a.EXAMPLES)")
    assert str(ROOT) not in where.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"erased"}


@pytest.mark.slow
def test_a_wheel_serves_the_demo(installed: Path, tmp_path: Path):
    log = tmp_path / "log"
    with (
        served(python=str(installed / "python"), folder=str(tmp_path), log=log, PYTHONPATH="") as (address, _),
        visiting(address) as visitor,
    ):
        accuracy = visitor.predict(["guitar"], api_name="/erase")["accuracy"]
        assert accuracy["CCUP"]["forget"]["top1"] == 0 < accuracy["Original"]["forget"]["top1"]
    assert "Traceback" not in log.read_text()


def test_the_two_lists_of_requirements_are_one():
    def listed(name: str) -> set[str]:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        return {line for line in lines if line and not line.startswith("-r")}

    extras = PROJECT["optional-dependencies"]
    used = [name for name in extras if name not in {"all", "datasets", "dev"}]
    of_page = {line for name in used for line in extras[name]}
    with_mcp = {line.replace("[mcp]", "") for line in of_page}
    assert listed("requirements.txt") == set(PROJECT["dependencies"]) - with_mcp | of_page
    assert listed("requirements-dev.txt") == set(extras["dev"])
    assert extras["all"] == [f"unlearn-clip[{','.join(used)}]"]
