"""``audit`` and ``generate`` on the embedded models."""

from __future__ import annotations

import json

import pytest

import unlearn
from unlearn.attacks import relearning, soft_drawing, soft_prompt
from unlearn.data.gallery import bundled_gallery
from unlearn.errors import ConceptError, ImageError, ModelError, ParameterError

QUICK = {"n": 2, "steps": 2, "seed": 7}


@pytest.fixture(scope="module")
def erasure(pocket):
    return unlearn.erase(pocket, ["guitar"], strength=0.9)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six images of three things each, so that one of each is held out."""
    root = tmp_path_factory.mktemp("images")
    for concept in ("guitar", "pizza", "violin"):
        (root / concept).mkdir()
        images = [image.load() for image in bundled_gallery() if image.concept == concept]
        for number in range(6):
            images[number % len(images)].rotate(5 * number, fillcolor="white").save(root / concept / f"{number}.png")
    return root


@pytest.mark.slow
def test_an_audit_runs_every_attack(pocket, erasure, folder, monkeypatch):
    monkeypatch.setattr(relearning, "STEPS", (0, 1))
    monkeypatch.setattr(soft_prompt, "STEPS", 2)
    monkeypatch.setattr(soft_drawing, "IMAGES", 1)
    seen = []
    result = unlearn.audit(pocket, erasure, images=folder, on_progress=seen.append)
    assert (result.method, result.concept) == ("ccup", "guitar")
    assert result.leaks == tuple(finding for finding in result.findings if finding.verdict == "leaked")
    assert seen[-1].done <= seen[-1].total
    assert repr(result).startswith("Audit(method='ccup', concept='guitar', ")
    assert str(result).startswith(" ".join(result.report.answer))
    assert str(result).count("\n") == len(result.findings) + 3
    reported = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert [finding["name"] for finding in reported["findings"]] == [finding.name for finding in result.findings]


def test_what_cannot_be_audited_is_one_sentence(pocket, erasure, folder):
    with pytest.raises(ParameterError, match="concept is 'pizza'; choose one of guitar"):
        unlearn.audit(pocket, erasure, "pizza", images=folder)
    with pytest.raises(ImageError, match="is not a folder"):
        unlearn.audit(pocket, erasure, images="no-such-folder")
    with pytest.raises(ModelError, match="no unedited model"):
        unlearn.audit(erasure.apply(pocket), erasure)


def test_images_are_generated_before_and_after(pocket, erasure, tmp_path):
    pipeline, seen = unlearn.load_pipeline("pocket", device="cpu"), []
    result = unlearn.generate("a guitar", erasure, pocket, pipeline=pipeline, **QUICK, on_progress=seen.append)
    assert (seen[-1].done, seen[-1].total) == (2, 2)
    assert len(result.before) == len(result.after) == 2
    assert result.before[0].tobytes() != result.after[0].tobytes()
    assert result.to_dict()["seeds"] == [7, 8]
    assert "guitar: seen by the judge in" in str(result)
    assert repr(result) == "Generation(prompt='a guitar', pipeline='pocket', n=2)"
    record = result.save(tmp_path / "drawn", export=True)
    assert {"before_0.png", "after_1.png", "token_gate.safetensors"} <= set(record["sha256"])
    nothing = unlearn.generate("a guitar", erasure.at(0.0), pocket, pipeline=pipeline, **QUICK)
    assert nothing.before[0].tobytes() == nothing.after[0].tobytes() == result.before[0].tobytes()


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"prompt": " "}, ConceptError, "prompt is empty"),
        ({"pipeline": "dall-e"}, ModelError, "no pipeline “dall-e”"),
        ({"n": 0}, ParameterError, "number of pictures is 0"),
        ({"guidance": "high"}, ParameterError, "guidance is 'high'"),
        ({"carry_method": "up"}, ParameterError, "carry method is 'up'"),
        ({"clip": "pocket"}, ModelError, "no unedited model"),
    ],
)
def test_what_cannot_be_generated_is_one_sentence(arguments, error, said, pocket, erasure):
    with pytest.raises(error, match=said):
        unlearn.generate(**{"prompt": "a guitar", "erasure": erasure, "clip": pocket} | QUICK | arguments)
