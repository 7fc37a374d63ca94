"""What a program may rely on."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from PIL import Image

import unlearn
from unlearn.errors import ModelError


def test_public_names_are_what_they_are():
    assert unlearn.__all__ == sorted(unlearn.__all__)
    assert {"load_clip", "erase", "save", "load", "classify", "UnlearnError"} <= set(unlearn.__all__)
    assert all(getattr(unlearn, name) is not None for name in unlearn.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = unlearn.nothing


def test_importing_the_package_loads_neither_torch_nor_gradio():
    code = "import sys, unlearn; sys.exit(bool({'torch', 'gradio', 'open_clip', 'diffusers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_five_lines_erase_a_concept_and_classify_a_image(pocket, gallery, vocabulary):
    image = next(p for p in gallery if p.concept == "pizza").load()
    labels = vocabulary.names
    before = {k: v.clone() for k, v in pocket.model.state_dict().items()}
    edited = unlearn.erase(pocket, ["pizza"]).apply(pocket)
    assert next(iter(unlearn.classify(pocket, image, labels))) == "pizza"
    assert next(iter(unlearn.classify(edited, image, labels))) != "pizza"
    assert all(torch.equal(before[k], v) for k, v in pocket.model.state_dict().items())


@pytest.mark.parametrize("name", ["", "nope", "ViT-B-32", "ViT-B-32/nope", "../../etc/passwd"])
def test_unknown_models_are_refused_in_a_sentence(name):
    with pytest.raises(ModelError, match="no model|neither a file nor"):
        unlearn.load_clip(name)


def test_a_real_architecture_loads_through_the_same_code(tmp_path):
    import open_clip
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model("RN50-quickgelu")
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    encoder = unlearn.load_clip(f"RN50-quickgelu/{tmp_path / 'weights.safetensors'}", device="cpu")
    assert encoder.embed_dim == 1024
    edited = unlearn.erase(encoder, ["cat"], retain=["dog", "car"], form="nullspace", synonyms=False).apply(encoder)
    features = edited.encode_image([Image.new("RGB", (300, 200), "red")])
    assert features.shape == (1, 1024)
    assert features.norm() == pytest.approx(1.0, abs=1e-4)
