"""An exported whole model classifies as the app showed, whatever form edits which side; where it could not, none is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from unlearn.clip.embeddings import similarity
from unlearn.clip.projection import Projection
from unlearn.clip.weights import with_weights
from unlearn.concepts.prompts import TEMPLATES
from unlearn.concepts.selection import select
from unlearn.erasers import ccup
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import FORMS, SIDES, CCUPSettings, CLIPEraseSettings
from unlearn.errors import ModelError
from unlearn.export.saved import save_erasure
from unlearn.export.vanished import live_only, texts_gone

CHOICES = [(form, side) for form in FORMS for side in SIDES if (form, side) != ("paired", "both")]


def first_labels(encoder, gallery, vocabulary) -> torch.Tensor:
    """What ``encoder`` takes each picture for."""
    classes = encoder.text_features(vocabulary.names, vocabulary.templates)
    return similarity(encoder.image_features(gallery), classes).argmax(dim=1)


@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize(("form", "side"), CHOICES)
def test_a_whole_model_classifies_as_shown_or_is_not_written(
    form, side, strength, toy, toy_vocabulary, toy_gallery, tmp_path
):
    selection = select(["frog", "whale"], vocabulary=toy_vocabulary)
    erasure = ccup.erase(toy, selection, CCUPSettings(form, strength, side=side), vocabulary=toy_vocabulary)
    gone = live_only(erasure.apply(toy), selection, toy_vocabulary.templates)
    live = first_labels(erasure.apply(toy), toy_gallery, toy_vocabulary)
    weights = first_labels(with_weights(toy, erasure.changed_weights(toy), name="baked"), toy_gallery, toy_vocabulary)
    if not gone:
        assert torch.equal(weights, live)
        save_erasure(tmp_path / "out", toy, erasure, metrics={})
        return
    assert (strength, side != "image") == (1.0, True)
    with pytest.raises(ModelError, match="next to nothing of the text .* cannot be exported. Erase on pictures"):
        save_erasure(tmp_path / "out", toy, erasure, metrics={})
    assert not (tmp_path / "out").exists()
    save_erasure(tmp_path / "out", toy, erasure, metrics={}, formats=())


def test_weights_have_back_what_counts_as_gone(pocket, vocabulary):
    """Why such a model is not written: divided by its length, what is left is the text that was to go."""
    settings = CCUPSettings("consistent", side="text", synonyms=False)
    erasure = ccup.erase(pocket, select("cat", vocabulary=vocabulary), settings, vocabulary=vocabulary)
    assert texts_gone(erasure.apply(pocket), erasure.selection, TEMPLATES)[0] == "cat"
    baked = with_weights(pocket, erasure.changed_weights(pocket), name="baked")
    before, after = (encoder.text_features(["cat"], TEMPLATES)[0] for encoder in (pocket, baked))
    assert before @ after > 0.95
    assert not erasure.apply(pocket).text_features(["cat"], TEMPLATES).any()


def test_where_as_many_directions_go_as_there_are_no_image_is_left(toy, toy_vocabulary, tmp_path):
    selection = select("frog", vocabulary=toy_vocabulary)
    frogs = ccup.erase(toy, selection, CCUPSettings("nullspace"), vocabulary=toy_vocabulary)
    assert live_only(frogs.apply(toy), selection, toy_vocabulary.templates) == ""
    whole = replace(frogs, projection=Projection(torch.eye(toy.embed_dim), torch.eye(toy.embed_dim)))
    assert "of any picture" in live_only(whole.apply(toy), selection, toy_vocabulary.templates)
    assert live_only(whole.at(0.5).apply(toy), selection, toy_vocabulary.templates) == ""
    with pytest.raises(ModelError, match="Erase less to get one"):
        save_erasure(tmp_path / "out", toy, whole, metrics={})


def test_of_two_edits_the_closed_form_is_asked_on_the_tuned_weights(pocket, vocabulary, tmp_path):
    delta = {"text_projection": pocket.model.state_dict()["text_projection"] * 1.01}
    tuned = Erasure("cliperase", select("pizza", vocabulary=vocabulary), CLIPEraseSettings(), delta)
    both = ccup.on_top(pocket, tuned, CCUPSettings("nullspace", side="text"), vocabulary=vocabulary)
    with pytest.raises(ModelError, match="“pizza”"):
        save_erasure(tmp_path / "out", pocket, both, metrics={})
