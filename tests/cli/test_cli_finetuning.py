"""``erase --method cliperase`` on the embedded model: record, resume, the way back through ``evaluate``."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from unlearn.cli import main
from unlearn.clip.sources import POCKET
from unlearn.data.gallery import bundled_gallery
from unlearn.export.saved import load_recorded

CONCEPTS = ("cat", "pizza", "car", "banana", "guitar")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A few of the gallery's training pictures, as an ImageFolder: enough to see that everything is wired up."""
    root = tmp_path_factory.mktemp("pictures")
    images = [p for p in bundled_gallery().train if p.concept in CONCEPTS]
    for i, image in enumerate(images * 3):
        (root / image.concept).mkdir(exist_ok=True)
        image.load().save(root / image.concept / f"{i}.png")
    return root


def erase(folder, out, *extra):
    arguments = f"erase --method cliperase --forget cat --images {folder} --out {out} --trainable projections"
    return main([*arguments.split(), *extra])


@pytest.fixture(scope="module")
def erased(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("erased")
    assert erase(folder, out, "--steps", "40", "--learning-rate", "1e-3") == 0
    return out


def test_writes_the_same_kind_of_record(erased):
    record = json.loads((erased / "erasure.json").read_text())
    assert record["method"] == "cliperase"
    assert record["parameters"]["trainable"] == "projections"
    assert record["parameters"]["steps"] == 40
    before, after = record["metrics"]["before"], record["metrics"]["after"]
    assert after["forget"]["top1"] == 0.0 < before["forget"]["top1"]
    assert after["retain"]["top1"] >= 0.75
    base, edited = load_file(POCKET / "open_clip_model.safetensors"), load_file(erased / "open_clip_model.safetensors")
    differing = {key for key in base if not torch.equal(base[key].float(), edited[key].float())}
    assert differing == {"visual.head.proj.weight", "text_projection"}


def test_evaluate_and_load_recorded_read_it_back(erased, folder, pocket, capsys):
    assert main(["evaluate", "--images", str(folder), "--erasure", str(erased), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["forget"]["top1"] == 0.0
    assert result["retain"]["top1"] >= 0.75
    edited = load_recorded(erased, pocket)[0].apply(pocket)
    stored = load_file(erased / "open_clip_model.safetensors")["text_projection"]
    assert torch.equal(edited.model.text_projection, stored)


def test_an_interrupted_run_is_resumed(folder, tmp_path, monkeypatch, capsys):
    from unlearn.erasers import cliperase

    extra = ["--steps", "6", "--eval-every", "2", "--checkpoint", str(tmp_path / "run.safetensors")]
    losses, steps = cliperase._losses, []

    def interrupted(*arguments):
        steps.append(1)
        if len(steps) == 4:
            raise KeyboardInterrupt
        return losses(*arguments)

    monkeypatch.setattr(cliperase, "_losses", interrupted)
    assert erase(folder, tmp_path / "resumed", *extra) == 130
    assert "The same command goes on from" in capsys.readouterr().err
    assert erase(folder, tmp_path / "resumed", *extra) == 0
    assert len(steps) == 4 + 4  # three whole steps and the broken one; then from the checkpoint after step two
    assert erase(folder, tmp_path / "straight", *extra[:4]) == 0
    resumed, straight = (load_file(tmp_path / name / "edit.safetensors") for name in ("resumed", "straight"))
    for name, tensor in straight.items():
        torch.testing.assert_close(resumed[name], tensor, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (["--learning-rate", "0"], "learning rate is 0.0"),
        (["--learning-rate", "10"], "learning rate is 10.0"),
        (["--steps", "0"], "steps is 0"),
        (["--retain", "cat", "car"], "to be erased and to be retained"),
        (["--forget", "dragonfruit"], "no picture of “dragonfruit”"),
    ],
)
def test_a_wrong_argument_is_a_sentence(wrong, sentence, folder, tmp_path, capsys):
    assert erase(folder, tmp_path, *wrong) == 2
    assert sentence in capsys.readouterr().err
