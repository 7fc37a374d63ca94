"""The split of a tower is exact, and what trains is a copy that shares everything else."""

from __future__ import annotations

import pytest
import torch
from helpers.toy import toy_model
from torch.nn import functional as F

from unlearn.clip.encoders import weights_checksum
from unlearn.clip.weights import with_weights
from unlearn.erasers.settings import TRAINABLE
from unlearn.errors import ModelError
from unlearn.finetuning.trainable import make_trainable

VIT = {"image_size": 32, "patch_size": 8, "width": 64, "layers": 3, "head_width": 32}
RESNET = {"image_size": 32, "layers": [1, 1, 1, 1], "width": 16}
TIMM = {
    "timm_model_name": "tf_efficientnet_lite0",
    "timm_model_pretrained": False,
    "timm_pool": "avg",
    "timm_proj": "linear",
    "image_size": 32,
}
CONVNEXT = {**TIMM, "timm_model_name": "convnext_atto"}


@pytest.fixture(scope="module", params=[VIT, RESNET, TIMM, CONVNEXT], ids=["vit", "resnet", "efficientnet", "convnext"])
def encoder(request):
    return toy_model(request.param)


@pytest.fixture
def pixels():
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("what", TRAINABLE)
def test_before_training_both_parts_together_are_the_model(encoder, pixels, what):
    trainable = make_trainable(encoder, what)
    tokens = encoder.tokenizer(["a cat", "a dog", "seven purple elephants"])
    with torch.no_grad():
        images = trainable.image_features(trainable.prepare_images(pixels))
        texts = trainable.text_features(trainable.prepare_texts(tokens))
        torch.testing.assert_close(images, F.normalize(encoder.model.encode_image(pixels), dim=-1), atol=1e-5, rtol=0)
        torch.testing.assert_close(texts, F.normalize(encoder.model.encode_text(tokens), dim=-1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("what", TRAINABLE)
def test_gradients_are_those_of_the_whole_model_and_the_base_stays(encoder, pixels, what):
    before = weights_checksum(encoder.model)
    trainable = make_trainable(encoder, what)
    tower = "image" if trainable.trains_images else "text"
    given = pixels if trainable.trains_images else encoder.tokenizer(["a cat", "a dog", "seven purple elephants"])
    prepare, features = getattr(trainable, f"prepare_{tower}s"), getattr(trainable, f"{tower}_features")
    with torch.no_grad():
        prepared = prepare(given)
    optimizer = torch.optim.SGD(trainable.parameters.values(), lr=1.0)
    features(prepared)[:, 0].sum().backward()
    optimizer.step()
    with torch.no_grad():
        trained = features(prepared)
    edited = with_weights(encoder, trainable.delta(), name="edited")
    with torch.no_grad():
        whole, original = (
            F.normalize(getattr(each.model, f"encode_{tower}")(given), dim=-1) for each in (edited, encoder)
        )
    torch.testing.assert_close(trained, whole, atol=1e-4, rtol=0)
    assert weights_checksum(encoder.model) == before
    if what != "lora":  # an adapter's first step moves only the half that is zero, by very little
        assert not torch.allclose(whole, original, atol=1e-4)


def test_less_trains_where_less_is_asked_for(encoder):
    sizes = {w: sum(p.numel() for p in make_trainable(encoder, w).parameters.values()) for w in TRAINABLE}
    assert sizes["projections"] < sizes["last_blocks"] < sizes["all"]
    assert sizes["lora"] < sizes["all"]


def test_text_trains_the_last_two_blocks_of_the_text_tower_and_no_image_weight(encoder):
    names = make_trainable(encoder, "text").parameters
    assert {name.split(".")[2] for name in names if "resblocks" in name} == {"0", "1"}  # of a toy's two
    assert "text_projection" in names
    assert "ln_final.weight" in names
    assert not [name for name in names if name.startswith("visual.") or "embedding" in name]


def test_texts_of_other_lengths_beside_them_change_nothing(encoder):
    trainable = make_trainable(encoder, "text")
    texts = ["a cat", "a very long sentence about seven purple elephants"]
    with torch.no_grad():
        both = trainable.text_features(trainable.prepare_texts(encoder.tokenizer(texts)))
        alone = [trainable.text_features(trainable.prepare_texts(encoder.tokenizer([text])))[0] for text in texts]
    torch.testing.assert_close(both, torch.stack(alone), atol=1e-6, rtol=0)


def test_the_temperature_never_trains(encoder):
    assert not [name for name in make_trainable(encoder, "all").parameters if "logit" in name]


def test_batch_norm_statistics_stay(pixels):
    encoder = toy_model(TIMM)
    trainable = make_trainable(encoder, "all")
    statistics = {n: b.clone() for n, b in trainable.model.named_buffers() if "running" in n}
    trainable.image_features(pixels).sum().backward()
    assert statistics
    assert all(torch.equal(b, dict(trainable.model.named_buffers())[n]) for n, b in statistics.items())


def test_a_tower_without_a_projection_trains_its_last_block():
    vit = {"timm_model_name": "vit_base_patch16_siglip_224", "timm_pool": "map", "timm_proj": "none", "image_size": 224}
    encoder = toy_model(vit, embed_dim=768)
    with pytest.raises(ModelError, match="image tower .* train “last_blocks” instead"):
        make_trainable(encoder, "projections")
    trainable = make_trainable(encoder, "last_blocks")
    names = {name.rsplit(".", 2)[0] for name in trainable.parameters}
    assert {"visual.trunk.blocks.11.mlp", "visual.trunk.attn_pool.mlp"} <= names
    assert not [name for name in names if name.startswith("visual.trunk.blocks.10")]


def test_adapters_start_where_the_seed_says_and_draw_nothing_from_what_others_use(encoder):
    start = torch.get_rng_state()
    first, again, other = (make_trainable(encoder, "lora", seed=seed).parameters for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), start)
    drawn = [name for name in first if "lora_A" in name]
    assert all(torch.equal(first[name], again[name]) for name in drawn)
    assert not any(torch.equal(first[name], other[name]) for name in drawn)
