"""An exported folder on a hub: pushed there, described by its card, and loaded from there by stock libraries."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.stand_in_hub import stand_in_hub
from huggingface_hub import ModelCard
from PIL import Image

import unlearn
from unlearn.attacks.finding import Finding
from unlearn.attacks.groups import Group
from unlearn.concepts.prompts import Concept
from unlearn.concepts.selection import select
from unlearn.data.gallery import bundled_gallery
from unlearn.erasers import ccup
from unlearn.errors import ModelError, ParameterError
from unlearn.export.hub import require_repository
from unlearn.export.saved import save_erasure
from unlearn.files.writing import files_in

REPOSITORY = "someone/pocket-without-guitar"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, str], Path, dict[str, dict[str, bytes]]]]:
    """The environment of somebody who is logged in to a hub, the folder pushed to it, and what the hub holds."""
    place, held = tmp_path_factory.mktemp("pushed"), dict[str, dict[str, bytes]]()
    with stand_in_hub(held) as (address, _):
        environ = os.environ | {"HF_ENDPOINT": address, "HF_TOKEN": "hf_made_up", "HF_HOME": str(place / "cache")}
        environ |= {"HF_HUB_OFFLINE": "0", "PYTHONPATH": str(Path(unlearn.__file__).parents[1])}
        command = [sys.executable, "-m", "unlearn", "erase", "--forget", "guitar", "--push-to-hub", REPOSITORY]
        done = subprocess.run(
            [*command, "-o", "erased", "--json"], cwd=place, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["address"] == f"{address}/{REPOSITORY}"
        yield environ, place / "erased", held


def test_only_the_files_of_the_erasure_are_pushed_and_weights_are_safetensors(hub):
    _, folder, held = hub
    assert set(held[REPOSITORY]) == {path.name for path in folder.iterdir()}
    assert {Path(name).suffix for name in held[REPOSITORY]} <= {".safetensors", ".json", ".md", ".txt"}
    config = json.loads(held[REPOSITORY]["open_clip_config.json"])
    assert config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] == REPOSITORY


def printed_by(folder: Path, model: str, environ: dict[str, str], place: Path) -> dict[str, float]:
    """Probabilities that the code on the card in ``folder`` prints, which loads ``model``; it knows nothing of us."""
    next(p for p in bundled_gallery().test if p.concept == "guitar").load().save(place / "picture.jpg", quality=95)
    codes = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    (code,) = (code for code in codes if f'MODEL = "{model}"' in code)
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=place, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {label: float(value) for label, value in (line.split(": ") for line in done.stdout.splitlines())}


def test_the_code_of_the_card_loads_it_from_the_hub_in_stock_open_clip(hub, pocket, tmp_path: Path):
    environ, folder, _ = hub
    printed = printed_by(folder, f"hf-hub:{REPOSITORY}", environ, tmp_path)
    edited = unlearn.load(folder, pocket).apply(pocket)
    image = Image.open(tmp_path / "picture.jpg").convert("RGB")
    assert printed == pytest.approx(unlearn.classify(edited, image, list(printed), ("a photo of a {}",)), abs=1e-3)


def test_the_code_of_the_card_loads_it_from_the_hub_in_stock_transformers(hub, toy, toy_vocabulary, tmp_path: Path):
    environ, _, held = hub
    erasure, folder = (
        ccup.erase(toy, select("apple", vocabulary=toy_vocabulary), vocabulary=toy_vocabulary),
        tmp_path / "x",
    )
    save_erasure(folder, toy, erasure, metrics={}, formats=("transformers",), repository="someone/toy")
    held["someone/toy"] = {name: (folder / name).read_bytes() for name in files_in(folder)}
    printed = printed_by(folder, "someone/toy", environ, tmp_path)
    image = Image.open(tmp_path / "picture.jpg").convert("RGB")
    expected = unlearn.classify(erasure.apply(toy), image, list(printed), ("a photo of a {}",))
    assert printed == pytest.approx(expected, abs=5e-3)


def test_files_get_the_permissions_of_the_umask(hub):
    umask = os.umask(0)
    os.umask(umask)
    assert {stat.S_IMODE(path.stat().st_mode) for path in hub[1].iterdir()} == {0o666 & ~umask}


def test_a_card_says_what_was_erased_measured_and_attacked(hub, pocket):
    card = ModelCard.load(hub[1] / "README.md")
    assert (card.data.license, card.data.library_name) == ("apache-2.0", "open_clip")
    assert {"machine-unlearning", "ccup"} <= set(card.data.tags)
    results = {result.metric_name: result.metric_value for result in card.data.eval_results}
    assert results["top-1 after the edit, forget set"] == 0 < results["top-1 before the edit, forget set"]
    assert "| forget | " in card.text
    assert "is no proof" in card.text
    assert "Not yet: `unlearn-clip audit`" in card.text


def test_a_card_takes_findings_and_hostile_names(pocket, tmp_path: Path):
    edit = unlearn.erase(pocket, ["guitar"]).erasure
    hostile = replace(edit, selection=replace(edit.selection, forget=(Concept("x`\n---\nlicense: gpl\n# big"),)))
    finding = Finding(next(iter(Group)), "Its name", "top-1", before=0.9, after=0.1, chance=0.0)
    save_erasure(tmp_path, pocket, hostile, metrics={}, formats=(), findings=[finding.record()])
    card = ModelCard.load(tmp_path / "README.md")
    assert card.data.license == "apache-2.0"
    assert re.search(r"\| Its name \| \w+ \| 0\.90 \| 0\.10 \|", card.text)
    assert "\n# big" not in card.text


def test_what_a_hub_cannot_take_is_told_before_the_work(monkeypatch):
    with pytest.raises(ModelError):
        require_repository("../up")
    with pytest.raises(ParameterError, match="HF_HUB_OFFLINE is set"):
        require_repository(REPOSITORY)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr("unlearn.export.hub.get_token", lambda: None)
    with pytest.raises(ParameterError, match="hf auth login"):
        require_repository(REPOSITORY)
