"""What is remembered for an encoder is computed once, and goes with the encoder."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

from unlearn.attacks.split import Split
from unlearn.caching import PerEncoder
from unlearn.encoders import class_embeddings, remember_classes


class Encoder:
    """Something to remember values for."""


def test_only_what_is_missing_is_computed():
    cache, encoder, asked = PerEncoder(most=3), Encoder(), []

    def compute(missing: list[str]) -> list[str]:
        asked.append(missing)
        return [key.upper() for key in missing]

    assert cache.get_all(encoder, ["a", "b", "a"], compute) == ["A", "B", "A"]
    assert cache.get_all(encoder, ["b", "c"], compute) == ["B", "C"]
    assert asked == [["a", "b"], ["c"]]
    assert cache.get(encoder, "a", lambda: pytest.fail("known")) == "A"
    cache.get_all(encoder, ["d"], compute)  # makes room: b was asked for longest ago
    cache.get_all(encoder, ["a", "b"], compute)
    assert asked[2:] == [["d"], ["b"]]


def test_values_do_not_keep_their_encoder_alive():
    cache, encoder = PerEncoder(most=3), Encoder()
    value = weakref.ref(cache.get(encoder, "key", Encoder))
    gone = weakref.ref(encoder)
    assert value() is not None
    del encoder
    gc.collect()
    assert gone() is value() is None


def test_class_embeddings_are_encoded_once_a_name(words, monkeypatch):
    encoded: list[str] = []
    encode = words.encode_text
    monkeypatch.setattr(words, "encode_text", lambda texts: encoded.extend(texts) or encode(texts))
    first = class_embeddings(words, ["cat", "dog"], ["{}"])
    again = class_embeddings(words, ["dog", "pizza", "cat"], ["{}"])
    assert encoded == ["cat", "dog", "pizza"]
    assert torch.equal(first, again[[2, 0]])
    remember_classes(words, ["car", "cat"], torch.ones(2, 32), ["{}"])
    kept = class_embeddings(words, ["cat", "car"], ["{}"])
    assert torch.equal(kept[0], first[0]), "what is known stays"
    assert torch.equal(kept[1], torch.ones(32))


def test_the_pictures_of_a_concept_are_kept_as_long_as_few_others_are_attacked(toy_gallery):
    first = Split.of(toy_gallery.test, "frog", copies=2)
    again = Split.of(toy_gallery.test, "FROG", copies=2)
    assert again.own is first.own
    assert again.some is first.some
    assert Split.of(toy_gallery.test, "frog", copies=2, seed=1).own is not first.own
    view = weakref.ref(first.own)
    del first, again
    for number in range(100):
        Split.of(toy_gallery.test, f"a word that somebody typed, {number}")
    gc.collect()
    assert view() is None
