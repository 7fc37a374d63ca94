"""``erase``, ``save`` and ``load`` on the embedded model."""

from __future__ import annotations

import json

import pytest
import torch
from helpers.toy import toy_model

import unlearn
from unlearn.clip.encoders import weights_checksum
from unlearn.concepts.selection import select
from unlearn.data.gallery import bundled_gallery
from unlearn.erasers import ccup
from unlearn.errors import ConceptError, ErasureFileError, ImageError, ModelError, ParameterError

TRAINING = {"method": "cliperase", "trainable": "projections", "steps": 2, "eval_every": 1}


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """Arguments of a run of CLIPErase on a handful of images."""
    root = tmp_path_factory.mktemp("images")
    for concept in ("guitar", "pizza", "violin"):
        (root / concept).mkdir()
        images = [image.load() for image in bundled_gallery().test if image.concept == concept]
        for number in range(5):
            images[number % len(images)].rotate(5 * number, fillcolor="white").save(root / concept / f"{number}.png")
    return TRAINING | {"images": root}


def test_erase_is_what_the_method_makes_and_leaves_the_model_alone(pocket, vocabulary):
    before = weights_checksum(pocket.model)
    erasure = unlearn.erase(pocket, "guitar, pizza", strength=0.8, side="text")
    expected = ccup.erase(
        pocket,
        select(["guitar", "pizza"], vocabulary=vocabulary),
        ccup.CCUPSettings(strength=0.8, side="text"),
        vocabulary=vocabulary,
    )
    assert erasure.forget == ("guitar", "pizza")
    assert erasure.settings == expected.settings
    texts = ["a guitar", "a violin"]
    assert torch.equal(erasure.apply(pocket).encode_text(texts), expected.apply(pocket).encode_text(texts))
    assert weights_checksum(pocket.model) == before


def test_an_erasure_says_what_it_is_and_follows_the_slider(pocket):
    erasure = unlearn.erase(pocket, ["guitar"])
    assert "method='ccup', model='pocket', forget=('guitar',)" in repr(erasure)
    assert len(repr(erasure)) < 300
    half = erasure.at(0.5)
    assert half.to_dict()["parameters"]["strength"] == half.settings.strength == 0.5
    again = unlearn.erase(pocket, ["guitar"], strength=0.5)
    torch.testing.assert_close(
        half.apply(pocket).encode_text(["a guitar"]), again.apply(pocket).encode_text(["a guitar"])
    )
    with pytest.raises(ParameterError, match="strength is 2"):
        erasure.at(2)


def test_what_is_measured_is_kept_and_measuring_is_asked_for(pocket):
    assert unlearn.erase(pocket, ["guitar"]).metrics == {}
    measured = unlearn.erase(pocket, ["guitar"], measure=True).metrics
    assert measured["images"] == "bundled"
    assert measured["after"]["forget"]["top1"] == 0.0 < measured["before"]["forget"]["top1"]


def test_a_saved_erasure_loads_as_the_same(pocket, tmp_path):
    erasure = unlearn.erase(pocket, ["guitar"], retain=["violin", "piano"], measure=True)
    saved = unlearn.save(erasure, tmp_path / "out", pocket)
    assert saved.formats == ("open_clip",)
    assert {path.name for path in saved.folder.iterdir()} >= {
        "erasure.json",
        "edit.safetensors",
        "open_clip_model.safetensors",
    }
    assert str(saved.folder) in saved.snippets["the edit alone"]
    for path in (saved.folder, saved.folder / "edit.safetensors"):
        loaded = unlearn.load(path, pocket)
        assert loaded.erasure.selection == erasure.erasure.selection
        assert loaded.retain == ("violin", "piano")
        assert loaded.metrics == json.loads(json.dumps(dict(erasure.metrics)))
        assert loaded.vocabulary == erasure.vocabulary
        assert torch.equal(
            loaded.apply(pocket).encode_text(["a guitar"]), erasure.apply(pocket).encode_text(["a guitar"])
        )
    unlearn.save(loaded, tmp_path / "again", pocket, formats=[])
    assert unlearn.load(tmp_path / "again", pocket).to_dict()["metrics"] == loaded.to_dict()["metrics"]


def test_where_weights_cannot_hold_the_edit_it_is_saved_alone(pocket, tmp_path):
    erasure = unlearn.erase(pocket, ["guitar"], form="nullspace", side="text")
    saved = unlearn.save(erasure, tmp_path, pocket)
    assert saved.formats == ()
    assert "next to nothing of the text “guitar”" in saved.notices[0]
    with pytest.raises(ModelError, match="next to nothing"):
        unlearn.save(erasure, tmp_path, pocket, formats=["open_clip"])


def test_cliperase_reports_and_ccup_goes_on_top_of_it(pocket, training):
    seen = []
    tuned = unlearn.erase(pocket, ["guitar"], **training, on_progress=seen.append)
    assert (tuned.record.images, tuned.record.vocabulary) == (str(training["images"]), "")
    assert set(tuned.vocabulary.names) == {"guitar", "pizza", "violin"}
    none = tuned.at(0.0)
    assert none.record.parameters["strength"] == 0
    torch.testing.assert_close(none.apply(pocket).encode_text(["a guitar"]), pocket.encode_text(["a guitar"]))
    with pytest.raises(ParameterError, match="strength is 2"):
        tuned.at(2)
    assert (seen[-1].done, seen[-1].total) == (2, 2)
    both = unlearn.erase(pocket, ["guitar"], on=tuned)
    assert both.method == "stacked"
    with pytest.raises(ParameterError, match="two edits"):
        both.at(0.5)
    with pytest.raises(ParameterError, match="erasure is by ccup; CCUP goes on top"):
        unlearn.erase(pocket, ["guitar"], on=unlearn.erase(pocket, ["guitar"]))
    with pytest.raises(ModelError, match="OpenClipEncoder|EditedEncoder is no unedited model"):
        unlearn.erase(both.apply(pocket), ["guitar"])


def test_notices_come_at_once_and_stay(pocket):
    answer = []
    erasure = unlearn.erase(pocket, ["guitr"], on_notice=answer.append)
    assert "Did you mean “guitar”?" in answer[0]
    assert set(answer) == set(erasure.notices)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"forget": []}, ConceptError, "No concept to erase"),
        ({"retain": ["guitar"]}, ConceptError, "to be erased and to be retained"),
        ({"vocabulary": "no-such-file"}, ConceptError, "neither a file nor one of"),
        ({"vocabulary": ["guitar"]}, ConceptError, "at least two words"),
        ({"images": "no-such-folder"}, ImageError, "is not a folder"),
        ({"method": "magic"}, ParameterError, "method is 'magic'; choose one of"),
        ({"seed": -1}, ParameterError, "seed is -1"),
        ({"strength": "high"}, ParameterError, "strength is 'high'; it must be a number"),
        ({"stength": 0.5}, ParameterError, "stength has no effect on “CCUP”; what has: form, strength"),
        ({"steps": 5}, ParameterError, "steps has no effect"),
        ({"checkpoint": "run.safetensors"}, ParameterError, "checkpoint has no effect"),
        ({"clip": "pocket"}, ModelError, "str is no unedited model; give what load_clip returned"),
    ],
)
def test_what_cannot_be_erased_is_one_sentence(arguments, error, said, pocket, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=said.replace("(", r"\(").replace(")", r"\)")):
        unlearn.erase(**{"clip": pocket, "forget": ["guitar"]} | arguments)


def test_an_erasure_belongs_to_its_weights(pocket, tmp_path):
    erasure = unlearn.erase(pocket, ["guitar"])
    with pytest.raises(ErasureFileError, match="made for other weights"):
        unlearn.save(erasure, tmp_path / "out", toy_model())
    assert not (tmp_path / "out").exists()
    with pytest.raises(ErasureFileError, match=r"holds no readable erasure\.json"):
        unlearn.load(tmp_path, pocket)
    with pytest.raises(ParameterError, match="format is 'onnx'"):
        unlearn.save(erasure, tmp_path / "out", pocket, formats=["onnx"])
