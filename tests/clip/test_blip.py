"""BLIP's contrastive head: transformers' numbers, and both methods work on it as on any CLIP."""

from __future__ import annotations

import pytest
import torch
from helpers.tiny_blip import save_tiny_blip
from torch.nn import functional as F
from transformers import BlipForImageTextRetrieval

from unlearn import load_clip
from unlearn.clip.encoders import weights_checksum
from unlearn.concepts.selection import select
from unlearn.erasers import ccup, cliperase
from unlearn.erasers.settings import CCUPSettings, CLIPEraseSettings
from unlearn.errors import ModelError
from unlearn.export.saved import load_recorded, save_erasure
from unlearn.progress import run_to_end


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blip")
    return folder, save_tiny_blip(folder)


@pytest.fixture(scope="module")
def blip(saved):
    return load_clip(f"blip:{saved[0]}", device="cpu")


@pytest.fixture(scope="module")
def images(toy_gallery):
    return [image.load() for image in toy_gallery.test.images[:4]]


def cosines(stock, blip, images, texts):
    """As transformers computes them, each text alone and so without padding."""
    pixels = torch.stack([blip.preprocess(image) for image in images])
    columns = []
    for text in texts:
        tokens = blip.tokenizer([text])
        tokens = tokens[tokens != 0][None]
        columns.append(stock(tokens.expand(len(pixels), -1), pixels, use_itm_head=False).itm_score[:, 0])
    return torch.stack(columns, dim=1)


@torch.inference_mode()
def test_the_embeddings_are_transformers(saved, blip, images):
    texts = ["a cat", "a drawing of a dog", "apple"]
    own = blip.encode_image(images) @ blip.encode_text(texts).T
    torch.testing.assert_close(own, cosines(saved[1], blip, images, texts), atol=1e-6, rtol=0)
    assert blip.embed_dim == 24
    assert blip.logit_scale == pytest.approx(1 / 0.07)


@pytest.mark.parametrize("side", ["image", "text", "both"])
@torch.inference_mode()
def test_ccup_is_baked_into_what_stock_transformers_loads(saved, blip, images, toy_vocabulary, tmp_path, side):
    before = weights_checksum(blip.model)
    selection = select("apple", vocabulary=toy_vocabulary)
    erasure = ccup.erase(blip, selection, CCUPSettings("consistent", 0.5, side=side), vocabulary=toy_vocabulary)
    save_erasure(tmp_path, blip, erasure, metrics={}, seed=0)
    stock = BlipForImageTextRetrieval.from_pretrained(tmp_path).eval()
    live = load_recorded(tmp_path, blip)[0].apply(blip)
    texts = ["a photo of a frog", "whale"]
    own = live.encode_image(images) @ live.encode_text(texts).T
    torch.testing.assert_close(own, cosines(stock, blip, images, texts), atol=1e-5, rtol=0)
    assert weights_checksum(blip.model) == before


@pytest.mark.parametrize("trainable", ["text", "projections", "last_blocks"])
def test_cliperase_trains_it(blip, toy_gallery, toy_vocabulary, tmp_path, trainable):
    before = weights_checksum(blip.model)
    settings = CLIPEraseSettings.of(trainable, steps=10, batch_size=6, eval_every=10, learning_rate=1e-3)
    run = cliperase.train(
        blip,
        select("apple", vocabulary=toy_vocabulary),
        settings,
        galleries=[toy_gallery.train],
        probe=toy_gallery.test,
        vocabulary=toy_vocabulary,
        checkpoint=tmp_path / "run",
    )
    records: list[object] = []
    erasure = run_to_end(run, records.append)
    losses = [record.forgetting for record in records if isinstance(record, cliperase.TrainingStep) and record.done]
    assert losses[-1] < losses[0]
    edited = erasure.apply(blip)
    apples = [image.load() for image in toy_gallery.test if image.concept == "apple"]
    text = "a drawing of an apple"
    after = F.cosine_similarity(edited.encode_image(apples), edited.encode_text([text])).mean()
    assert after < F.cosine_similarity(blip.encode_image(apples), blip.encode_text([text])).mean()
    assert weights_checksum(blip.model) == before


def test_a_blip_that_was_trained_for_something_else_is_refused(saved, tmp_path):
    from safetensors.torch import load_file, save_file

    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_text((saved[0] / name).read_text())
    weights = load_file(saved[0] / "model.safetensors")
    del weights["vision_proj.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="weights lack vision_proj.weight"):
        load_clip(f"blip:{tmp_path}")
