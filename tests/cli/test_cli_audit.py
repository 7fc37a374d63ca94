"""``audit``: every attack on an erasure, told as lines or as JSON."""

from __future__ import annotations

import json

import pytest

from unlearn.attacks import relearning, soft_drawing, soft_prompt, words
from unlearn.cli import main
from unlearn.data.gallery import bundled_gallery
from unlearn.errors import ImageError
from unlearn.functions import auditing


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six pictures of three things each, so that one of each is held out."""
    root, bundled = tmp_path_factory.mktemp("pictures"), bundled_gallery()
    for concept in ("cat", "pizza", "car"):
        (root / concept).mkdir()
        drawings = [image.load() for image in bundled if image.concept == concept]
        for number in range(6):
            drawings[number % len(drawings)].rotate(5 * number, fillcolor="white").save(
                root / concept / f"{number}.png"
            )
    return root


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(relearning, "STEPS", (0, 1))
    monkeypatch.setattr(soft_prompt, "STEPS", 2)
    monkeypatch.setattr(soft_drawing, "IMAGES", 1)


@pytest.mark.slow
def test_an_audit_as_json_and_of_a_saved_erasure_in_lines(folder, tmp_path, capsys):
    asked = ["audit", "--images", str(folder)]
    assert main([*asked, "--forget", "cat", "pizza", "--concept", "pizza", "--method", "none", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["concept"] == "pizza"
    assert report["method"] == "baseline"
    by_name = {finding["name"]: finding for finding in report["findings"]}
    assert set(words.WORD_KINDS) < set(by_name)
    assert by_name["Its name"]["verdict"] != "held", "nothing was erased"
    assert by_name["Its name"]["after"] == pytest.approx(by_name["Its name"]["before"])
    assert len(by_name["A little fine-tuning"]["rows"]) == len(relearning.EXAMPLES)

    saved = tmp_path / "erased"
    assert main(["erase", "--forget", "cat", "--images", str(folder), "--form", "nullspace", "--out", str(saved)]) == 0
    capsys.readouterr()
    assert main([*asked, "--erasure", str(saved / "edit.safetensors")]) == 0
    answer = capsys.readouterr().out
    assert answer.startswith(("Not gone.", "Undecided.", "Held."))
    assert all(name in answer for name in by_name)


def test_a_saved_erasure_tells_which_captions_speak_of_it(tmp_path, capsys, monkeypatch):
    assert main(["erase", "--forget", "cat", "dog", "--formats", "--out", str(tmp_path)]) == 0

    def training_data(source, forget):
        raise ImageError(f"{source} was asked for {' and '.join(forget)}")

    monkeypatch.setattr(auditing, "training_data", training_data)
    assert main(["audit", "--erasure", str(tmp_path), "--images", "flickr30k"]) == 2
    assert "flickr30k was asked for cat and dog" in capsys.readouterr().err
    assert main(["audit", "--erasure", str(tmp_path), "--method", "leace"]) == 2
    assert "has a method already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (["--method", "magic"], "method is 'magic'; choose one of"),
        (["--concept", "pizza"], "concept is 'pizza'; choose one of cat"),
        (["--images", "nowhere"], "“nowhere” is not a folder"),
    ],
)
def test_a_wrong_argument_is_a_sentence(wrong, sentence, capsys):
    assert main(["audit", "--forget", "cat", *wrong]) == 2
    assert sentence in capsys.readouterr().err
