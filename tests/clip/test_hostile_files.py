"""A file may carry a program. Nothing in this package runs it."""

from __future__ import annotations

import ast
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from unlearn import load_clip
from unlearn.errors import ErasureFileError, ModelError
from unlearn.finetuning.checkpoints import Checkpoint

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "app.py", *sorted((ROOT / "unlearn").rglob("*.py"))]


class Payload:
    """Unpickling it makes a directory."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """What would be there, had the payload run."""
    return tmp_path / "it-ran"


@pytest.fixture(params=["zip", "legacy", "bare"])
def hostile(request: pytest.FixtureRequest, tmp_path: Path, trace: Path) -> Path:
    """Weights with a payload, in each form that torch reads."""
    path, weights = tmp_path / "weights.pt", {"visual.proj": torch.zeros(2, 2), "state": Payload(trace)}
    if request.param == "bare":
        path.write_bytes(pickle.dumps(weights))
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=request.param == "zip")
    return path


def test_the_payload_is_live(tmp_path: Path, trace: Path):
    pickle.loads(pickle.dumps(Payload(trace)))  # noqa: S301
    assert trace.exists()


def test_a_checkpoint_of_a_model_runs_nothing(hostile: Path, trace: Path):
    with pytest.raises(ModelError, match="could not be loaded"):
        load_clip(f"RN50-quickgelu/{hostile}", device="cpu")
    assert not trace.exists()


def test_a_checkpoint_of_a_run_runs_nothing(hostile: Path, trace: Path):
    weight = torch.nn.Parameter(torch.zeros(2, 2))
    with pytest.raises(ErasureFileError, match="cannot be read"):
        Checkpoint.of_run(hostile, steps=3).restore({"w": weight}, torch.optim.Adam([weight]))
    assert not trace.exists()


def test_what_the_package_reads_is_never_unpickled_or_evaluated():
    found = [f"{path.relative_to(ROOT)}:{line}: {what}" for path in SOURCES for line, what in _dangerous(path)]
    assert found == []


def test_the_search_finds_what_it_looks_for(tmp_path: Path):
    source = tmp_path / "bad.py"
    source.write_text(
        "import pickle\nfrom joblib import load\neval('1')\ntorch.load(path)\ntorch.load(path, weights_only=False)\n"
        "numpy.load(path, allow_pickle=True)\nModel.from_pretrained(name, trust_remote_code=True)\nos.system('ls')\n"
        "subprocess.run('ls', shell=True)\ntorch.load(path, weights_only=True)\nmodel.eval()\n"
    )
    assert [line for line, _ in _dangerous(source)] == list(range(1, 10))


MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
CALLS = {"eval", "exec", "compile", "os.system", "os.popen", "yaml.load", "torch.jit.load"}
OPTIONS = {"allow_pickle": True, "trust_remote_code": True, "shell": True, "weights_only": False}


def _dangerous(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of a source that import, call or ask for something that runs what it reads."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            named = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from ((node.lineno, name) for name in named if name.split(".")[0] in MODULES)
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            asked = any(options.get(name) == str(value) for name, value in OPTIONS.items())
            unguarded = called == "torch.load" and options.get("weights_only") != "True"
            if called in CALLS or asked or unguarded:
                yield node.lineno, ast.unparse(node)


def test_no_shipped_file_is_a_pickle():
    kinds = {path.suffix for path in (ROOT / "assets").rglob("*")}
    assert ".safetensors" in kinds
    assert not kinds & {".pt", ".pth", ".bin", ".pkl", ".ckpt"}
