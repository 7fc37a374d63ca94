"""Every example runs as it stands, in a process that does not import this package, and agrees with it."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from helpers.untrained import untrained
from PIL import Image

from unlearn import classify
from unlearn.clip.embeddings import similarity
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.concepts.prompts import TEMPLATES, Concept
from unlearn.concepts.selection import Vocabulary, select
from unlearn.erasers import ccup
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import CCUPSettings, CLIPEraseSettings
from unlearn.export.saved import save_erasure
from unlearn.export.snippets import snippet, snippets_of
from unlearn.files.assets import ASSETS, EXAMPLES

LABELS = ["cat", "dog", "pizza"]
TEMPLATE = ("a photo of a {}",)


@pytest.fixture
def place(tmp_path: Path, gallery) -> Path:
    """A folder with a picture and the repository's assets, as somebody has who cloned it."""
    next(p for p in gallery if p.concept == "dog").load().save(tmp_path / "picture.jpg", quality=95)
    (tmp_path / "assets").symlink_to(ASSETS)
    return tmp_path


@pytest.fixture
def erasure(pocket, vocabulary) -> Erasure[CCUPSettings]:
    return ccup.erase(
        pocket, select("cat", vocabulary=vocabulary), CCUPSettings("nullspace", side="both"), vocabulary=vocabulary
    )


@pytest.fixture
def of_images(pocket, vocabulary) -> Erasure[CCUPSettings]:
    """One that weights can hold."""
    return ccup.erase(pocket, select("cat", vocabulary=vocabulary), vocabulary=vocabulary)


def run(code: str, place: Path) -> str:
    """What ``code`` prints in ``place``; it may import anything but ``unlearn``."""
    assert "unlearn" not in {name.split(".")[0] for name in _imported(code)}
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=place, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _imported(code: str) -> list[str]:
    nodes = list(ast.walk(ast.parse(code)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return names + [str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)]


def example(name: str) -> str:
    return (EXAMPLES / f"{name}.py").read_text()


def probabilities(printed: str) -> dict[str, float]:
    return {label: float(value) for label, value in (line.split(": ") for line in printed.splitlines())}


def test_the_whole_model_in_open_clip(place, pocket, of_images):
    save_erasure(place / "erased", pocket, of_images, metrics={}, seed=0)
    printed = probabilities(run(example("open_clip_model"), place))
    expected = classify(of_images.apply(pocket), Image.open(place / "picture.jpg").convert("RGB"), LABELS, TEMPLATE)
    assert printed == pytest.approx(expected, abs=1e-3)
    assert max(printed, key=printed.__getitem__) == "dog"
    hashes = run(example("check_hashes"), place)
    for name in ("edit.safetensors", "open_clip_config.json", "open_clip_model.safetensors"):
        assert f"{name} unchanged" in hashes


@pytest.mark.slow
def test_the_whole_model_in_transformers(place):
    preprocess, tokenizer = open_clip.image_transform(224, is_train=False), open_clip.get_tokenizer("ViT-B-32")
    architecture = open_clip.get_model_config("ViT-B-32")
    for tower in ("vision_cfg", "text_cfg"):
        architecture[tower] |= {"layers": 2}
    model = untrained("ViT-B-32", layers=2)
    encoder = OpenClipEncoder(
        "ViT-B-32/x", model, preprocess, tokenizer, torch.device("cpu"), architecture=architecture
    )
    words = Vocabulary((Concept("cat"), Concept("dog")))
    erasure = ccup.erase(encoder, select("cat", vocabulary=words), vocabulary=words)
    save_erasure(place / "erased", encoder, erasure, metrics={}, seed=0, formats=("open_clip", "transformers"))
    printed = probabilities(run(example("transformers_clip"), place))
    image = Image.open(place / "picture.jpg").convert("RGB")
    assert printed == pytest.approx(classify(erasure.apply(encoder), image, LABELS, TEMPLATE), abs=5e-3)
    stock = open_clip.create_model(f"local-dir:{place / 'erased'}").eval()
    with torch.inference_mode():
        features = stock.encode_image(preprocess(image).unsqueeze(0), normalize=True)
    torch.testing.assert_close(features, erasure.apply(encoder).encode_image([image]), atol=1e-5, rtol=0)


def test_the_edit_of_embeddings(place, pocket, erasure):
    save_erasure(place / "erased", pocket, erasure, metrics={}, seed=0, formats=())
    images = pocket.encode_image([Image.open(place / "picture.jpg").convert("RGB")])
    texts = pocket.text_features(["cat", *LABELS], TEMPLATES)
    np.save(place / "image_features.npy", images.numpy())
    np.save(place / "text_features.npy", texts.numpy())
    run(example("edit_of_embeddings"), place)
    found = np.load(place / "similarity.npy")
    edited = erasure.apply(pocket)
    live = similarity(edited.edit_image(images), edited.edit_text(texts)).numpy()
    np.testing.assert_allclose(found, live, atol=1e-5)
    assert (live == -1).any(), "the script leaves out what the app leaves out"


def test_the_edit_of_weights(place, pocket, vocabulary):
    generator = torch.Generator().manual_seed(0)
    name = "visual.head.proj.weight"
    weight = pocket.model.state_dict()[name]
    delta = {name: weight + 0.02 * torch.randn(weight.shape, generator=generator)}
    erasure = Erasure("cliperase", select("cat", vocabulary=vocabulary), CLIPEraseSettings(), delta)
    save_erasure(place / "erased", pocket, erasure, metrics={}, seed=0, formats=())
    run(example("edit_of_weights"), place)
    expected = erasure.apply(pocket).encode_image([Image.open(place / "picture.jpg").convert("RGB")])
    np.testing.assert_allclose(np.load(place / "image_features.npy"), expected.numpy(), atol=1e-5)


def test_the_edit_of_both(place, pocket, vocabulary):
    generator = torch.Generator().manual_seed(0)
    name = "visual.head.proj.weight"
    weight = pocket.model.state_dict()[name]
    delta = {name: weight + 0.02 * torch.randn(weight.shape, generator=generator)}
    tuned = Erasure("cliperase", select("cat", vocabulary=vocabulary), CLIPEraseSettings(), delta)
    erasure = ccup.on_top(pocket, tuned, CCUPSettings("consistent", 0.7, side="both"), vocabulary=vocabulary)
    save_erasure(place / "erased", pocket, erasure, metrics={}, seed=0, formats=())
    printed = probabilities(run(example("edit_of_both"), place))
    expected = classify(erasure.apply(pocket), Image.open(place / "picture.jpg").convert("RGB"), LABELS, TEMPLATE)
    assert printed == pytest.approx(expected, abs=1e-3)
    assert snippets_of(Path("erased"), erasure, "pocket", [])["the edit alone"].count("\n") > 30


@pytest.mark.slow
def test_the_pipeline(place, pocket):
    from unlearn.cli import main

    asked = ["generate", "--prompt", "a cat and a pizza", "--forget", "cat", "--n", "1", "--export"]
    for code, how in ((example("diffusers_pipeline"), "ridge"), (example("gated_pipeline"), "gated")):
        assert main([*asked, "--carry-method", how, "--out", str(place / "drawn")]) == 0
        run(code, place)
        names = ("picture.png", "drawn/after_0.png", "drawn/before_0.png")
        stock, own, before = (np.asarray(Image.open(place / name), dtype=float) for name in names)
        assert np.abs(stock - own).mean() < 1 < np.abs(stock - before).mean()


def test_a_snippet_is_the_example_with_ones_own_names_in_it(place, pocket, of_images):
    words = 'a "quoted" \\ word'
    named = replace(of_images, selection=replace(of_images.selection, forget=(Concept(words),)))
    save_erasure(place / "my erasure", pocket, named, metrics={}, seed=0)
    codes = snippets_of(Path("my erasure"), named, "pocket", ["open_clip"])
    assert list(codes) == ["the edit alone", "the whole model in open_clip"]
    printed = probabilities(run(codes["the whole model in open_clip"], place))
    assert list(printed) == [words, "dog", "pizza"]


@pytest.mark.parametrize("value", ["x", 'y"; import os  #', "\\1\\g<0>", "\n", ["a", 'b"'], None])
def test_no_value_becomes_code(value):
    code = snippet("edit_of_weights", MODEL=value)
    assignments = {
        node.targets[0].id: node.value
        for node in ast.parse(code).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert ast.literal_eval(assignments["MODEL"]) == value


def test_a_constant_that_no_example_sets_is_a_mistake():
    with pytest.raises(KeyError, match="sets COLOUR 0 times"):
        snippet("check_hashes", COLOUR="red")


def test_every_example_is_run_here():
    ran = Path(__file__).read_text()
    assert all(f'example("{path.stem}")' in ran for path in EXAMPLES.glob("*.py"))
