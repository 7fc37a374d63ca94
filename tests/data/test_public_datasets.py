"""Public data sets, with stand-ins for what ``datasets`` returns."""

from __future__ import annotations

import sys
import types

import pytest
from PIL import Image

from unlearn.concepts.prompts import VERBATIM, Concept
from unlearn.concepts.selection import select
from unlearn.data.public_datasets import DATASETS, Labelled
from unlearn.erasers import ccup
from unlearn.errors import ImageError
from unlearn.export.saved import load_recorded, save_erasure
from unlearn.finetuning.pairs import forget_and_retain
from unlearn.finetuning.sources import measuring_images, training_data


class Rows(list):
    """A data set as far as it is used: rows, columns, features."""

    features = dict.fromkeys(("fine_label", "label"), types.SimpleNamespace(names=["apple", "aquarium_fish"]))

    def __getitem__(self, key):
        return [row[key] for row in self] if isinstance(key, str) else super().__getitem__(key)


def image(i):
    return Image.new("RGB", (8, 8), (i % 256, 0, 0))


@pytest.fixture
def hub(monkeypatch):
    def load_dataset(path, split, streaming):
        if path == "uoft-cs/cifar100":
            return Rows({"img": image(i), "fine_label": i % 2} for i in range(120 if split == "train" else 20))
        if path in {source.repository for source in DATASETS.values() if isinstance(source, Labelled)}:
            assert split == "train" or path != "flwrlabs/caltech101", "it has no other split"
            return Rows({"image": image(i), "label": i % 2} for i in range(40))
        if path == "pixparse/cc12m-wds":
            assert streaming, "eleven million pictures"
            return iter({"jpg": image(i), "txt": f"Dog number {i}"} for i in range(10**9))
        return Rows(
            {"image": image(i), "caption": [f"Scene {i}.", "Two dogs play." if i % 10 == 0 else "People talk."]}
            for i in range(1100)
        )

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))


def test_cifar100_is_a_gallery_of_its_classes(hub):
    data = training_data("cifar100", ["apple"])
    assert data.vocabulary.names == ("apple", "aquarium fish")
    assert (len(data.train), len(data.test)) == (100, 20)  # at most fifty a class
    assert data.train.images[1].concept == "aquarium fish"
    assert data.train.images[0].load().size == (8, 8)


def test_any_data_set_by_its_repository(monkeypatch):
    def load_dataset(path, split, streaming):
        assert (path, split) == ("me/mine", "test")
        rows = Rows({"img": image(i), "label": i % 2} for i in range(10))
        rows.column_names = ["img", "label"]
        return rows

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    data = training_data("datasets:me/mine:test", ["apple"])
    assert data.vocabulary.names == ("apple", "aquarium fish")
    assert (len(data.train), len(data.test)) == (8, 2)


@pytest.mark.parametrize("name", [name for name, source in DATASETS.items() if isinstance(source, Labelled)])
def test_every_data_set_of_classes_has_images_to_train_and_others_to_measure_on(hub, name):
    data = training_data(name, [])
    assert data.vocabulary.names == ("apple", "aquarium fish")
    assert {p.split for p in data.train} == {"train"}
    assert {p.split for p in data.test} == {"test"}
    if name == "caltech101":
        assert (len(data.train), len(data.test)) == (32, 8), "every fifth is kept back"
    assert [p.concept for p in measuring_images(name)] == [p.concept for p in data.test]


def test_conceptual_captions_are_streamed_and_only_as_far_as_needed(hub):
    data = training_data("cc12m", ["dog"])
    assert (len(data.train), len(data.test)) == (2000, 1000)
    assert data.train.images[0].caption == "Dog number 1000"
    assert data.train.concepts == ("dog",)
    assert data.train.images[0].load().mode == "RGB"


def test_a_hub_that_is_lost_while_streaming_is_told_in_a_sentence(monkeypatch):
    def rows():
        yield {"jpg": image(0), "txt": "a dog"}
        raise ConnectionError("reset by peer")

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=lambda *a, **k: rows()))
    with pytest.raises(ImageError, match="ConnectionError: reset by peer"):
        measuring_images("cc12m")


def test_flickr30k_images_are_of_the_concept_their_captions_name(hub):
    data = training_data("flickr30k", ["dog"])
    assert (len(data.train), len(data.test)) == (100, 1000)
    forget, retain = forget_and_retain(
        select("dog", vocabulary=data.vocabulary), [data.train], data.vocabulary.templates
    )
    assert len(forget.images) == 10
    assert {"dog", "dogs", "Scene 1000."} <= set(forget.texts)
    assert len(retain.images) == 90
    assert all(len(choices) == 1 for choices in retain.choices)
    assert data.vocabulary.templates == VERBATIM
    assert data.vocabulary.find("dog").synonyms, "a word has its plural"
    assert data.vocabulary.find("Scene 1.") == Concept("Scene 1."), "a caption is a sentence"


def test_an_erasure_that_retains_long_captions_is_read_back(toy, monkeypatch, tmp_path):
    captions = ["", "A dog.", "word " * 4000] + [f"{i}: " + "a long way to say what is seen " * 6 for i in range(9)]
    rows = [{"image": image(i), "caption": [captions[i % 12]]} for i in range(1024)]
    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=lambda *a, **k: Rows(rows)))
    data = training_data("flickr30k", ["dog"])
    assert "" not in data.vocabulary.names
    selection = select("dog", vocabulary=data.vocabulary)
    erasure = ccup.erase(toy, selection, vocabulary=data.vocabulary)
    save_erasure(tmp_path, toy, erasure, metrics={}, vocabulary="", formats=())
    assert load_recorded(tmp_path, toy)[0].selection == selection


@pytest.mark.parametrize("module", [None, types.SimpleNamespace()])
def test_without_datasets_or_a_hub_a_sentence(module, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", module)
    with pytest.raises(ImageError, match="bundled gallery needs neither"):
        training_data("cifar100", ["apple"])


def test_a_folder_keeps_every_fifth_image_for_measuring(tmp_path):
    for name in ("cat", "hot_dog"):
        (tmp_path / name).mkdir()
        for i in range(10):
            image(i).save(tmp_path / name / f"{i}.png")
    data = training_data(str(tmp_path), ["cat"])
    assert data.vocabulary.names == ("cat", "hot dog")
    assert (len(data.train), len(data.test)) == (16, 4)


def test_a_release_of_datasets_that_runs_scripts_is_refused(monkeypatch):
    old = types.SimpleNamespace(load_dataset=lambda *a, **k: pytest.fail("it was asked"), __version__="3.6.0")
    monkeypatch.setitem(sys.modules, "datasets", old)
    with pytest.raises(ImageError, match=r"datasets 3.6.0 runs scripts of data sets.*unlearn-clip.datasets"):
        training_data("cifar100", ["apple"])
