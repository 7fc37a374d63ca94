"""A fine-tuned model is the base model plus a few tensors."""

from __future__ import annotations

import pytest
import torch
from helpers.toy import toy_model
from PIL import Image

from unlearn.clip.encoders import weights_checksum
from unlearn.clip.weights import with_weights
from unlearn.errors import ModelError

NAME = "text_projection"


@pytest.fixture(scope="module")
def encoder():
    return toy_model()


def test_only_the_delta_is_new_memory(encoder):
    edited = with_weights(encoder, {NAME: torch.zeros_like(encoder.model.text_projection)}, name="edited")
    base = dict(encoder.model.state_dict())
    fresh = [name for name, t in edited.model.state_dict().items() if t.data_ptr() != base[name].data_ptr()]
    assert fresh == [NAME]
    assert edited.name == "edited"


def test_the_base_is_not_touched_and_the_edit_acts(encoder):
    checksum, before = weights_checksum(encoder.model), encoder.encode_text(["a cat"])
    edited = with_weights(encoder, {NAME: -encoder.model.text_projection.detach()}, name="edited")
    torch.testing.assert_close(edited.encode_text(["a cat"]), -before)
    torch.testing.assert_close(encoder.encode_text(["a cat"]), before)
    image = Image.new("RGB", (32, 32), "red")
    assert torch.equal(edited.encode_image([image]), encoder.encode_image([image]))
    assert weights_checksum(encoder.model) == checksum != weights_checksum(edited.model)


def test_edits_of_edits_share_too(encoder):
    once = with_weights(encoder, {NAME: -encoder.model.text_projection.detach()}, name="once")
    twice = with_weights(once, {NAME: encoder.model.text_projection.detach().clone()}, name="twice")
    assert weights_checksum(twice.model) == weights_checksum(encoder.model)


@pytest.mark.parametrize(
    ("delta", "sentence"),
    [({"nonsense": torch.zeros(1)}, "no weights called nonsense"), ({NAME: torch.zeros(2, 2)}, "in the edit")],
)
def test_a_delta_of_another_architecture_is_refused(encoder, delta, sentence):
    with pytest.raises(ModelError, match=sentence):
        with_weights(encoder, delta, name="edited")
