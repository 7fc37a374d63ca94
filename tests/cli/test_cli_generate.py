"""``generate`` on the embedded pipeline: pictures before and after, a record, and the edit for other tools."""

from __future__ import annotations

import hashlib
import json

import pytest
from huggingface_hub import ModelCard
from PIL import Image
from safetensors.torch import load_file

from unlearn.cli import main

QUICK = ["--steps", "4", "--n", "2", "--seed", "7"]


def test_generate_writes_images_record_and_edit(tmp_path, capsys):
    out = tmp_path / "out"
    asked = ["generate", "--model", "pocket", "--prompt", "a cat and a pizza", "--forget", "cat", "--export"]
    assert main([*asked, *QUICK, "--out", str(out)]) == 0
    record = json.loads((out / "generation.json").read_text())
    assert record["seeds"] == [7, 8]
    assert record["drawing"]["prompt"] == "a cat and a pizza"
    assert list(record["seen"]) == ["cat", "pizza"]
    assert len(record["seen"]["cat"]["before"]) == len(record["seen"]["cat"]["clip_score_after"]) == 2
    for name, digest in record["sha256"].items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    before, after = (Image.open(out / f"{side}_0.png") for side in ("before", "after"))
    assert before.size == after.size == (64, 64)
    assert before.tobytes() != after.tobytes()
    assert {key.partition(".")[2] for key in load_file(out / "token_gate.safetensors")} >= {"change", "readers"}
    assert record["erasure"]["concepts"]["forget"][0]["name"] == "cat"
    printed = capsys.readouterr().out
    assert "cat: seen by the judge in" in printed
    card = ModelCard.load(out / "README.md")
    assert (card.data.license, card.data.library_name, card.data.pipeline_tag) == (
        "apache-2.0",
        "diffusers",
        "text-to-image",
    )
    assert f"`a cat and a pizza: {printed.splitlines()[0]}`" in card.text
    assert 'GATE = "out/token_gate.safetensors"' in card.text
    assert main([*asked[:-1], *QUICK, "--out", str(out)]) == 0
    assert not (out / "README.md").exists(), "the edit went, and its card with it"


def test_at_strength_zero_before_and_after_are_the_identical_file(tmp_path):
    asked = ["generate", "--prompt", "a cat", "--forget", "cat", "--strength", "0"]
    assert main([*asked, *QUICK, "--out", str(tmp_path)]) == 0
    for index in (0, 1):
        before, after = (tmp_path / f"{side}_{index}.png" for side in ("before", "after"))
        assert before.read_bytes() == after.read_bytes()


@pytest.mark.slow
def test_a_saved_erasure_draws_what_its_concepts_draw(tmp_path):
    assert main(["erase", "--forget", "cat", "--out", str(tmp_path / "erased")]) == 0
    saved = ["--erasure", str(tmp_path / "erased" / "edit.safetensors")]
    assert main(["generate", "--prompt", "a cat", *saved, *QUICK, "--out", str(tmp_path / "one")]) == 0
    assert main(["generate", "--prompt", "a cat", "--forget", "cat", *QUICK, "--out", str(tmp_path / "two")]) == 0
    one, two = ((tmp_path / folder / "after_0.png").read_bytes() for folder in ("one", "two"))
    assert one == two


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--prompt", "a cat"], "Nothing is to be erased"),
        (["--prompt", "", "--forget", "cat"], "prompt is empty"),
        (["--prompt", "a cat", "--forget", "cat", "--erasure", "/"], "give one of them"),
        (["--prompt", "a cat", "--forget", "cat", "--model", "dall-e"], "no pipeline “dall-e”"),
        (["--prompt", "a cat", "--forget", "cat", "--carry-method", "up"], "carry method is 'up'"),
        (["--prompt", "a cat", "--forget", "cat", "--guidance", "nan"], "guidance is nan"),
        (["--prompt", "a cat", "--forget", "cat", "--strength", "2"], "strength is 2"),
        (["--prompt", "a cat", "--erasure", "/", "--strength", "0.5"], "has a strength already"),
        (["--prompt", "a cat", "--erasure", "/nowhere"], "there is nothing at “/nowhere”"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence(arguments, sentence, tmp_path, capsys):
    assert main(["generate", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
