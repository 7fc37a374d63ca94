"""What starts from prepared inputs embeds as the whole model with the same weights does, at every strength."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from unlearn.clip.weights import with_weights
from unlearn.concepts.prompts import TEMPLATES
from unlearn.concepts.selection import select
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import LIVE, TRAINABLE, CLIPEraseSettings
from unlearn.finetuning.prepared import Frozen, TunedEncoder
from unlearn.finetuning.trainable import make_trainable

TEXTS = ["a frog", "an apple", "a rather long sentence about a whale and a lemon"]


@pytest.fixture
def erasure_of(toy, toy_vocabulary):
    """Make an erasure that moves all weights of a choice of what trains, as if trained."""

    def erasure_of(what):
        trained = make_trainable(toy, what).delta()
        generator = torch.Generator().manual_seed(0)
        moved = {
            name: weight + 0.1 * torch.randn(weight.shape, generator=generator) for name, weight in trained.items()
        }
        return Erasure("cliperase", select("apple", vocabulary=toy_vocabulary), CLIPEraseSettings.of(what), moved)

    return erasure_of


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("what", TRAINABLE)
def test_strength_is_the_share_of_the_way_between_the_weights(toy, toy_gallery, erasure_of, what, strength):
    erasure, base = erasure_of(what).at(strength), toy.model.state_dict()
    mixed = {name: base[name] + strength * (weight - base[name]) for name, weight in erasure.delta.items()}
    slow, fast = with_weights(toy, mixed, name="slow"), erasure.fine_tuned(toy)
    assert isinstance(fast, TunedEncoder) is (what in LIVE)
    close = {"atol": 1e-5, "rtol": 0}
    torch.testing.assert_close(fast.encode_text(TEXTS), slow.encode_text(TEXTS), **close)
    names = (["apple", "frog"], TEMPLATES)
    torch.testing.assert_close(fast.text_features(*names), slow.text_features(*names), **close)
    torch.testing.assert_close(fast.image_features(toy_gallery.test), slow.image_features(toy_gallery.test), **close)
    images = [toy_gallery.images[0].load()]
    torch.testing.assert_close(fast.encode_image(images), slow.encode_image(images), **close)
    torch.testing.assert_close(erasure.changed_weights(toy), mixed)
    assert all(torch.equal(erasure.tensors[name], weight) for name, weight in erasure.delta.items()), "kept in full"
    if strength == 0:
        assert all(torch.equal(base[name], weight) for name, weight in erasure.changed_weights(toy).items())


def test_a_fine_tuned_model_whose_weights_change_again_embeds_with_those(toy, erasure_of):
    tuned = erasure_of("text").fine_tuned(toy)
    again = with_weights(tuned, {"text_projection": torch.zeros_like(toy.model.text_projection) + 0.1}, name="again")
    assert not torch.allclose(again.encode_text(TEXTS), tuned.encode_text(TEXTS), atol=1e-3)


@pytest.mark.parametrize("what", LIVE)
def test_a_run_after_it_still_compares_with_the_original(toy, toy_gallery, erasure_of, what):
    """Prepared tensors are shared; the embeddings beside them are those of the model that was not trained."""
    fresh = replace(toy)
    tuned = erasure_of(what).fine_tuned(fresh)
    tuned.encode_text(TEXTS)
    tuned.image_features(toy_gallery.test)
    frozen = Frozen(fresh, make_trainable(fresh, what), "float32")
    torch.testing.assert_close(frozen.texts(TEXTS).original, fresh.encode_text(TEXTS), atol=1e-5, rtol=0)
