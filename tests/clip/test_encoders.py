"""Embeddings are kept by the model under every edit; an edit is carried to them."""

from __future__ import annotations

import gc
import weakref

import torch
from PIL import Image

from unlearn.clip.encoders import EditedEncoder
from unlearn.clip.projection import Projection
from unlearn.concepts.prompts import TEMPLATES
from unlearn.data.gallery import Gallery, GalleryImage
from unlearn.erasers.baselines import random_directions

COLOURS = ("red", "green", "blue")


def gallery() -> Gallery:
    return Gallery("three", tuple(GalleryImage(c, c, lambda c=c: Image.new("RGB", (4, 4), c)) for c in COLOURS))


def edits(words) -> tuple[EditedEncoder, EditedEncoder]:
    """An edit of both sides, and another of pictures on top of it."""
    below = EditedEncoder(words, random_directions(words.embed_dim, 3), "both")
    return below, EditedEncoder(below, random_directions(words.embed_dim, 2, seed=1))


def test_an_edit_is_carried_to_what_the_model_keeps(words, monkeypatch):
    three, (below, both) = gallery(), edits(words)
    texts, images = words.text_features(COLOURS, TEMPLATES), words.image_features(three)
    monkeypatch.delattr(type(words), "encode_text")
    monkeypatch.delattr(type(words), "encode_image")
    assert torch.equal(below.text_features(COLOURS, TEMPLATES), below.edit_text(texts))
    assert torch.equal(both.image_features(three), both.edit_image(below.edit_image(images)))
    assert torch.equal(both.text_features(COLOURS, TEMPLATES), below.edit_text(texts)), "the upper edit is of pictures"


def test_edits_are_counted_from_the_model_up(words):
    below, both = edits(words)
    assert (words.edits, below.edits, both.edits) == ((), (below,), (below, both))
    assert words.unedited is below.unedited is both.unedited is words


def test_embeddings_prepared_or_kept_are_not_computed_again(words, monkeypatch):
    prepared, kept = gallery(), gallery()
    run, done = words.prepare_image_features(prepared), []
    try:
        while True:
            done.append(next(run))
    except StopIteration as stop:
        features = stop.value
    assert done == [len(prepared)]
    words.keep_image_features(kept, features)
    monkeypatch.delattr(type(words), "encode_image")
    assert words.image_features(prepared) is features
    assert words.image_features(kept) is features


def test_what_is_kept_goes_with_the_model_and_with_the_images(words):
    three = gallery()
    encoder = type(words)()
    features = weakref.ref(encoder.image_features(three))
    del encoder
    gc.collect()
    assert features() is None
    features = weakref.ref(words.image_features(three))
    del three
    gc.collect()
    assert features() is None


def test_an_edit_of_no_strength_changes_nothing(words):
    projection = Projection(torch.randn(words.embed_dim, 2), torch.randn(words.embed_dim, 2), 0.0)
    still = EditedEncoder(words, projection, "both").text_features(COLOURS, TEMPLATES)
    torch.testing.assert_close(still, words.text_features(COLOURS, TEMPLATES), atol=1e-6, rtol=0)
