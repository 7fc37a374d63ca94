"""Baked edits equal live edits on every kind of tower, with random weights: only the plumbing matters here."""

from __future__ import annotations

import copy

import open_clip
import pytest
import torch
from helpers.random_texts import unit_columns
from torch import nn
from torch.nn import functional as F
from transformers import RobertaConfig

from unlearn.clip.final_projections import final_projection
from unlearn.erasers.closed_form import RetainFactor, fit
from unlearn.errors import ModelError

SMALL_TEXT = {"context_length": 16, "vocab_size": 200, "width": 32, "heads": 2, "layers": 1}
TIMM = {"timm_model_name": "tf_efficientnet_lite0", "timm_model_pretrained": False, "image_size": 32}
VISION = {
    "vit": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16, "head_width": 32},
    "resnet": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8},
    "timm linear": TIMM | {"timm_proj": "linear", "timm_pool": "avg"},
    "timm linear with bias": TIMM | {"timm_proj": "linear", "timm_proj_bias": True},
    "timm mlp": TIMM | {"timm_proj": "mlp", "timm_pool": "avg"},
    "timm classifier": TIMM | {"timm_proj": "", "timm_pool": "avg"},
    "timm attention pool": TIMM | {"timm_proj": "linear", "timm_pool": "rot_attn", "image_size": 224},
}
#: A SigLIP's image tower: the attention pool at its end adds to what it was given.
SIGLIP = {"timm_model_name": "vit_base_patch16_siglip_224", "timm_pool": "map", "timm_proj": "none", "image_size": 224}
#: Architectures as open_clip knows them, with random weights.
KNOWN = ("ViT-B-32", "RN50", "convnext_tiny", "MobileCLIP-S1", "coca_ViT-B-32")
TEXT = {"parameter": {}, "linear with bias": {"proj_bias": True}}


def edit(d: int = 24) -> torch.Tensor:
    texts = unit_columns(torch.Generator().manual_seed(0), d, 8, cone=1.0)
    return fit(texts[:, :2], RetainFactor.fit(texts[:, 2:], 100.0)).matrix


def bake(model: nn.Module, tower: str, matrix: torch.Tensor) -> nn.Module:
    baked = copy.deepcopy(model)
    changed = final_projection(model, tower).bake(model.state_dict(), matrix)
    baked.load_state_dict({**model.state_dict(), **changed})
    return baked


@pytest.mark.parametrize("kind", VISION)
@torch.inference_mode()
def test_image_towers(kind):
    torch.manual_seed(0)
    model = open_clip.CLIP(24, VISION[kind], SMALL_TEXT).eval()
    images = torch.randn(2, 3, VISION[kind]["image_size"], VISION[kind]["image_size"])
    live = model.encode_image(images) @ edit()
    torch.testing.assert_close(bake(model, "image", edit()).encode_image(images), live, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", TEXT)
@pytest.mark.parametrize("custom", [False, True])
@torch.inference_mode()
def test_text_towers(kind, custom):
    torch.manual_seed(0)
    build = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    model = build(24, VISION["vit"], SMALL_TEXT | TEXT[kind]).eval()
    tokens = torch.randint(1, 200, (3, 16))
    live = model.encode_text(tokens) @ edit().T
    torch.testing.assert_close(bake(model, "text", edit().T).encode_text(tokens), live, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("projection", ["linear", "mlp"])
@torch.inference_mode()
def test_a_hugging_face_text_tower(projection, tmp_path):
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    RobertaConfig(vocab_size=200, max_position_embeddings=40, **sizes).save_pretrained(tmp_path)
    torch.manual_seed(0)
    text = {"hf_model_name": str(tmp_path), "hf_model_pretrained": False, "hf_proj_type": projection}
    model = open_clip.CustomTextCLIP(24, VISION["vit"], text | {"hf_pooler_type": "mean_pooler"}).eval()
    tokens = torch.randint(3, 200, (3, 16))
    live = model.encode_text(tokens) @ edit().T
    torch.testing.assert_close(bake(model, "text", edit().T).encode_text(tokens), live, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", KNOWN)
@torch.inference_mode()
def test_both_towers_of_known_architectures(name):
    torch.manual_seed(0)
    model = open_clip.create_model(name)
    side = open_clip.get_model_config(name)["vision_cfg"]["image_size"]
    pixels, tokens = torch.randn(1, 3, side, side), open_clip.get_tokenizer(name)(["a cat", "two dogs"])
    images, texts = model.encode_image(pixels), model.encode_text(tokens)
    state, matrix = model.state_dict(), edit(images.shape[1])
    for tower, by in (("image", matrix), ("text", matrix.T)):
        model.load_state_dict(final_projection(model, tower).bake(state, by), strict=False)
    # At unit length, where they are used: CoCa's embeddings are never anything else.
    for baked, live in ((model.encode_image(pixels), images @ matrix), (model.encode_text(tokens), texts @ matrix.T)):
        torch.testing.assert_close(F.normalize(baked, dim=-1), F.normalize(live, dim=-1), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_a_siglip_is_edited_live_on_its_image_side_and_baked_on_its_text_side():
    torch.manual_seed(0)
    text = SMALL_TEXT | {"proj_bias": True, "no_causal_mask": True, "pool_type": "last"}
    model = open_clip.CustomTextCLIP(768, SIGLIP, text, init_logit_bias=-10.0).eval()
    with pytest.raises(ModelError, match="image tower .* can be applied live"):
        final_projection(model, "image")
    tokens, matrix = torch.randint(1, 200, (3, 16)), edit(768)
    live = model.encode_text(tokens) @ matrix.T
    torch.testing.assert_close(bake(model, "text", matrix.T).encode_text(tokens), live, atol=1e-5, rtol=1e-5)


def test_a_tower_without_a_projection_says_so():
    model = open_clip.CustomTextCLIP(24, VISION["vit"], SMALL_TEXT | {"proj_type": "none", "width": 24})
    with pytest.raises(ModelError, match="text tower .* can be applied live"):
        final_projection(model, "text")
