"""An erasure's folder holds one erasure: its record has the hash of every file, and nothing of an earlier one stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unlearn.concepts.selection import select
from unlearn.erasers import ccup
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import CCUPSettings
from unlearn.errors import ErasureFileError, ParameterError
from unlearn.export.saved import load_recorded, save_erasure


@pytest.fixture
def of_cats(pocket, vocabulary) -> Erasure[CCUPSettings]:
    return ccup.erase(pocket, select("cat", vocabulary=vocabulary), vocabulary=vocabulary)


@pytest.fixture
def of_dogs(pocket, vocabulary) -> Erasure[CCUPSettings]:
    return ccup.erase(pocket, select("dog", vocabulary=vocabulary), vocabulary=vocabulary)


def test_no_form_of_an_earlier_erasure_stays_beside_a_new_record(pocket, of_cats, of_dogs, tmp_path: Path):
    save_erasure(tmp_path, pocket, of_cats, metrics={})
    assert (tmp_path / "open_clip_model.safetensors").exists()
    (tmp_path / "README.md").write_text("mine")
    save_erasure(tmp_path, pocket, of_dogs, metrics={}, formats=())
    assert {path.name for path in tmp_path.iterdir()} == {"README.md", "edit.safetensors", "erasure.json"}
    assert (tmp_path / "README.md").read_text() == "mine"
    assert load_recorded(tmp_path, pocket)[0].selection.forget_names == ("dog",)


def test_every_file_is_checked(pocket, of_cats, tmp_path: Path):
    save_erasure(tmp_path, pocket, of_cats, metrics={})
    load_recorded(tmp_path, pocket)
    for path in sorted(tmp_path.iterdir()):
        if path.name in {"erasure.json", "README.md"}:
            continue
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        with pytest.raises(ErasureFileError, match=f"{path.name}.* was changed"):
            load_recorded(tmp_path, pocket)
        path.unlink()
        with pytest.raises(ErasureFileError, match=f"{path.name}.* is missing"):
            load_recorded(tmp_path, pocket)
        path.write_bytes(content)
    load_recorded(tmp_path, pocket)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "transformers/model.safetensors"])
def test_weights_that_no_erasure_wrote_are_neither_kept_nor_lost(pocket, of_cats, tmp_path: Path, name: str):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"somebody's")
    with pytest.raises(ParameterError, match=f"holds {name}, which its erasure.json does not know"):
        save_erasure(tmp_path, pocket, of_cats, metrics={})
    assert (tmp_path / name).read_bytes() == b"somebody's"
    assert not (tmp_path / "erasure.json").exists()


def test_a_record_that_names_files_elsewhere_is_refused(pocket, of_cats, tmp_path: Path):
    record = save_erasure(tmp_path, pocket, of_cats, metrics={}, formats=())
    record["sha256"]["../secret"] = "0" * 64
    (tmp_path / "erasure.json").write_text(json.dumps(record))
    with pytest.raises(ErasureFileError):
        load_recorded(tmp_path, pocket)
