"""Models by name: what a name may be, which are kept in memory, and that a visitor's name never becomes a path."""

from __future__ import annotations

import builtins
import errno
import os
import re
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import open_clip
import pytest
import torch
from helpers.toy import toy_model

from unlearn.clip import models
from unlearn.clip.loading import device_in_words, load_clip
from unlearn.clip.models import CURATED, KEPT, Models
from unlearn.clip.repositories import PINNED, Repository
from unlearn.clip.sources import find, repository_of
from unlearn.errors import ModelError, ParameterError


class Named:
    """All that the registry asks of a model."""

    def __init__(self, name: str = "own") -> None:
        self.name = name


PATHS = [
    "ViT-B-32//etc/passwd",
    "ViT-B-32/../../x",
    "ViT-B-32/{weights}",
    "local-dir:/etc",
    "local-dir:{folder}",
    "hf-hub:../..",
    "hf-hub:/etc/passwd",
    "hf-hub:a/../../b",
    "hf-hub:a/b/c",
    "hf-hub:{folder}",
    "blip:../..",
    "blip:/etc",
    "blip:{folder}",
    "/etc/passwd",
    "../pocket",
    "pocket/../../x",
    "ViT-B-32\0/etc/passwd",
    pytest.param("hf-hub:" + "a" * 10**6, id="long"),
]


@pytest.mark.parametrize("attack", PATHS)
def test_a_visitors_name_of_a_model_never_reaches_the_file_system(attack, tmp_path, monkeypatch):
    (tmp_path / "weights.safetensors").write_bytes(b"secret")
    name = attack.format(weights=tmp_path / "weights.safetensors", folder=tmp_path)
    open_clip.list_models()  # what it reads, it has read

    def touched(path: object, *rest: object, **more: object) -> None:
        raise AssertionError(f"{path} was looked at")

    models = Models(Named(), offered="any")
    with monkeypatch.context() as patch:  # undone before pytest, which opens files of its own, goes on
        for place, function in ((builtins, "open"), (os, "stat"), (Path, "is_file"), (Path, "open")):
            patch.setattr(place, function, touched)
        with pytest.raises(ModelError, match="no model|is not among"):
            models.get(name)


def test_the_same_name_is_a_file_on_the_command_line(tmp_path):
    with pytest.raises(ModelError, match="neither a file nor"):
        load_clip(f"ViT-B-32/{tmp_path / 'none.safetensors'}")
    (tmp_path / "damaged.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="could not be loaded"):
        load_clip(f"ViT-B-32/{tmp_path / 'damaged.safetensors'}")


class Loader:
    """Stands in for :func:`load_clip`, and counts."""

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def __call__(self, name: str, *, precision: str, from_files: bool) -> Named:
        assert not from_files
        self.loaded.append(name)
        return Named(name)


@pytest.fixture
def loader(monkeypatch) -> Loader:
    loader = Loader()
    monkeypatch.setattr(models, "load_clip", loader)
    return loader


def test_a_model_is_loaded_once_and_the_own_one_never(loader):
    own = Named()
    kept = Models(own, offered="any")
    assert kept.get("") is kept.get(own.name) is own
    assert kept.get("a") is kept.get("a")
    assert loader.loaded == ["a"]


def test_the_least_recently_used_makes_room(loader):
    kept = Models(Named(), offered="any")
    names = [f"model {i}" for i in range(KEPT)]
    for name in (*names, names[0], "another"):
        kept.get(name)
    assert kept.find(names[0]) is not None
    assert kept.find(names[1]) is None
    kept.get(names[1])
    assert loader.loaded == [*names, "another", names[1]]


def test_without_a_hub_a_model_is_refused_in_a_sentence():
    with pytest.raises(ModelError, match="“pocket” needs no download and stays usable"):
        load_clip("ViT-B-32/laion2b_s34b_b79k")
    with pytest.raises(ModelError, match="“pocket” needs no download and stays usable"):
        load_clip("hf-hub:nobody/nothing")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_cache_that_cannot_be_written_is_named_as_what_is_wrong(number, monkeypatch):
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), "models--ab")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refused)
    with pytest.raises(ModelError, match=f"could not be kept on this machine .{os.strerror(number)}.. Set HF_HOME"):
        load_clip("hf-hub:a/b")


def test_a_full_disk_is_named_as_what_is_wrong(monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", full)
    with pytest.raises(ModelError, match="no room on the disk"):
        load_clip("hf-hub:a/b")


def test_the_curated_models_are_open_clips_and_as_large_as_said():
    for name, facts in CURATED.items():
        architecture, _, tag = name.partition("/")
        if name != "pocket":
            assert tag in open_clip.list_pretrained_tags_by_model(architecture), name
            with torch.device("meta"):
                model = open_clip.create_model(architecture, device="meta", pretrained_text=False)
            assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(facts.millions, abs=0.05)


def test_the_documents_list_the_curated_models():
    rows = [line for line in Path("docs/models.md").read_text().splitlines() if line.startswith("| `")]
    for name, facts in CURATED.items():
        assert any(row.startswith(f"| `{name}` | {facts.millions:,.0f} | {facts.licence} |") for row in rows), name


def test_the_device_is_told_in_words():
    assert device_in_words(torch.device("cpu")).startswith("CPU, ")
    assert device_in_words(torch.device("mps")) == "Apple GPU"


@pytest.mark.parametrize(
    "vision", [None, {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16}], ids=["vit", "resnet"]
)
def test_half_precision_hardly_moves_an_embedding(vision, toy_gallery):
    exact = toy_model(vision)
    half = replace(exact, precision=torch.bfloat16)
    images = [image.load() for image in toy_gallery.test.images[:4]]
    for before, after in (
        (exact.encode_image(images), half.encode_image(images)),
        (exact.encode_text(["a cat", "two dogs"]), half.encode_text(["a cat", "two dogs"])),
    ):
        assert after.dtype == torch.float32
        torch.testing.assert_close(after.norm(dim=-1), torch.ones(len(after)))
        assert not torch.equal(after, before), "nothing was computed in half precision"
        assert (before * after).sum(dim=-1).min() > 0.999


def test_weights_stay_float32_whatever_the_arithmetic():
    encoder = load_clip("pocket", device="cpu", precision="bfloat16")
    assert encoder.precision == torch.bfloat16
    assert {weight.dtype for weight in encoder.model.parameters()} == {torch.float32}
    assert load_clip("pocket", device="cpu").precision == torch.float32
    with pytest.raises(ParameterError, match="precision is 'int4'; choose one of auto, float32"):
        load_clip("pocket", precision="int4")


@pytest.mark.parametrize(("tag", "quick"), [("openai", True), ("laion2b_s32b_b82k", False)])
def test_a_tag_trained_with_another_activation_gets_it(tag, quick, monkeypatch):
    monkeypatch.setattr(Repository, "fetch", lambda self, *names: Path(names[0]))
    found = find(f"ViT-L-14/{tag}", from_files=False)()
    assert found.weights == Path("open_clip_model.safetensors")
    assert found.architecture["quick_gelu"] is quick


def test_curated_models_are_loaded_at_the_commit_that_was_looked_at():
    repositories = {repository_of(name) for name in CURATED if name != "pocket"}
    assert repositories <= set(PINNED)
    assert all(re.fullmatch("[0-9a-f]{40}", commit) for commit in PINNED.values())


def test_a_visitor_is_offered_what_the_owner_pays_for(loader):
    curated = Models(Named())
    assert curated.get("ViT-L-14/openai").name == "ViT-L-14/openai"
    with pytest.raises(ModelError, match="“hf-hub:a/b” is not offered here. Choose one of .*ViT-L-14/openai"):
        curated.get("hf-hub:a/b")
    only = Models(Named(), offered="own")
    assert only.get("") is only.own
    with pytest.raises(ModelError, match="not offered here"):
        only.get("ViT-L-14/openai")
    assert loader.loaded == ["ViT-L-14/openai"]
    with pytest.raises(ParameterError, match="UNLEARN_VISITORS_MODELS is 'all'"):
        Models(Named(), offered="all")
