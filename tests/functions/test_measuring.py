"""``evaluate``, ``write_report``, ``index_images`` and ``search_images`` on the embedded model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import unlearn
from unlearn.errors import ConceptError, ImageError, ModelError, ParameterError


@pytest.fixture(scope="module")
def erasure(pocket):
    return unlearn.erase(pocket, ["guitar"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory, gallery):
    root = tmp_path_factory.mktemp("images")
    for concept in ("guitar", "pizza", "violin"):
        (root / concept).mkdir()
        for number, image in enumerate(p for p in gallery if p.concept == concept):
            image.load().save(root / concept / f"{number}.png")
    return root


def test_an_erasure_is_measured_beside_the_model(pocket, erasure, folder):
    seen = []
    result = unlearn.evaluate(pocket, erasure=erasure, images=folder, on_progress=seen.append)
    record = result.to_dict()
    json.dumps(record, allow_nan=False)
    assert (
        record["forget"]["top1"] < unlearn.evaluate(pocket, images=folder, forget="guitar").to_dict()["forget"]["top1"]
    )
    assert record["edit"]["top1"]["forget"]["after"]["mean"] == record["forget"]["top1"]
    assert (seen[-1].done, seen[-1].total) == (record["n"], record["n"])
    assert result.forget == ("guitar",)
    assert "3 labels offered" in str(result)
    assert repr(result).startswith("Evaluation(model='pocket, edited', images=")
    assert len(repr(result)) < 300
    assert "forget -100.0% (95% " in str(result)


def test_any_encoder_is_measured_and_notices_are_kept(pocket, erasure, folder):
    edited = unlearn.evaluate(erasure.apply(pocket), images=folder, forget=["guitar"], vocabulary="bundled")
    assert edited.edit is None
    assert torch.equal(
        edited.zero_shot.ranks,
        unlearn.evaluate(pocket, erasure=erasure, images=folder, vocabulary="bundled").zero_shot.ranks,
    )
    assert "Did you mean “guitar”?" in unlearn.evaluate(pocket, images=folder, forget="guitr").to_dict()["notices"][0]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"images": "no-such-folder"}, ImageError, "is not a folder"),
        ({"vocabulary": "no-such-file"}, ConceptError, "neither a file nor one of"),
        ({"forget": "5"}, ConceptError, "5"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(arguments, error, said, pocket, erasure):
    with pytest.raises(error, match=said):
        unlearn.evaluate(pocket, erasure=erasure, **arguments)
    with pytest.raises(ModelError, match="no unedited model"):
        unlearn.evaluate(erasure.apply(pocket), erasure=erasure)


def test_a_report_is_one_page(pocket, erasure, folder, tmp_path):
    page = unlearn.write_report(tmp_path / "report.html", pocket, erasure, images=folder)
    assert "Erased from pocket: guitar" in page.read_text()
    with pytest.raises(ParameterError, match="is a folder|folder"):
        unlearn.write_report(tmp_path, pocket, erasure)


def test_an_index_is_searched_before_and_after(pocket, erasure, folder, tmp_path):
    images, seen = tmp_path / "images", []
    shutil.copytree(folder, images)
    (images / "torn.png").write_bytes(b"no image")
    index = unlearn.index_images(images, tmp_path / "index", pocket, on_progress=seen.append)
    assert (index.skipped, seen[-1].done) == (1, index.images + 1)
    assert "torn.png" in " ".join(index.notices)
    before = unlearn.search_images(index.folder, "a guitar", clip=pocket, k=1)
    after = unlearn.search_images(index.folder, "a guitar", clip=pocket, erasure=erasure, k=1)
    assert "guitar" in before[0].path
    assert Path(before[0].path).is_file()
    assert not after or after[0].score < before[0].score / 10
    with pytest.raises(ParameterError, match="k is 0"):
        unlearn.search_images(index.folder, "a guitar", k=0)
    with pytest.raises(ImageError):
        unlearn.search_images(tmp_path / "nothing", "a guitar")
