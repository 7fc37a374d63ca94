"""Baked edits equal live edits on every kind of tower, with random weights: only the plumbing matters here."""

from __future__ import annotations

import copy

import open_clip
import pytest
import torch
from random_texts import unit_columns
from torch import nn

from unlearn.erasers.closed_form import RetainFactor, fit
from unlearn.errors import ModelError
from unlearn.projections import final_projection

SMALL_TEXT = {"context_length": 16, "vocab_size": 200, "width": 32, "heads": 2, "layers": 1}
TIMM = {"timm_model_name": "tf_efficientnet_lite0", "timm_model_pretrained": False, "image_size": 32}
VISION = {
    "vit": {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16, "head_width": 32},
    "resnet": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8},
    "timm linear": TIMM | {"timm_proj": "linear", "timm_pool": "avg"},
    "timm linear with bias": TIMM | {"timm_proj": "linear", "timm_proj_bias": True},
    "timm mlp": TIMM | {"timm_proj": "mlp", "timm_pool": "avg"},
    "timm classifier": TIMM | {"timm_proj": "", "timm_pool": "avg"},
}
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
    pictures = torch.randn(2, 3, 32, 32)
    live = model.encode_image(pictures) @ edit()
    torch.testing.assert_close(bake(model, "image", edit()).encode_image(pictures), live, atol=1e-5, rtol=1e-5)


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


def test_a_tower_without_a_projection_says_so():
    model = open_clip.CustomTextCLIP(24, VISION["vit"], SMALL_TEXT | {"proj_type": "none", "width": 24})
    with pytest.raises(ModelError, match="text tower .* can be applied live"):
        final_projection(model, "text")
