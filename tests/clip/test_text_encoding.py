"""Texts are encoded on as many positions as they need, wherever the rest has no effect, and equal open_clip's."""

from __future__ import annotations

from typing import Any

import open_clip
import pytest
import torch
from helpers.untrained import SMALL_VISION, untrained_text_tower
from torch import Tensor, nn

from unlearn.clip.text_encoding import encode_text

CONTEXT, END = 24, 63
SMALL: dict[str, Any] = {"context_length": CONTEXT, "vocab_size": END + 1, "width": 32, "heads": 2, "layers": 2}
LAST_TOKENS = (3, 9, 5)

Kind = type[open_clip.CLIP] | type[open_clip.CustomTextCLIP]
CAUSAL: dict[str, tuple[Kind, dict[str, Any]]] = {
    "largest token": (open_clip.CLIP, {}),
    "end token": (open_clip.CLIP, {"pool_type": "eos", "eos_id": 40}),
    "linear projection": (open_clip.CLIP, {"proj_bias": True}),
    "tower of its own": (open_clip.CustomTextCLIP, {}),
    "tower of its own, end token": (open_clip.CustomTextCLIP, {"pool_type": "eos", "eos_id": 40}),
    "tower of its own, no projection": (open_clip.CustomTextCLIP, {"proj_type": "none"}),
}
WHOLE: dict[str, tuple[Kind, dict[str, Any]]] = {
    "both ways": (open_clip.CustomTextCLIP, {"no_causal_mask": True}),
    "last position": (open_clip.CustomTextCLIP, {"pool_type": "last"}),
    "first position": (open_clip.CustomTextCLIP, {"pool_type": "first"}),
    "token of its own, as CoCa": (open_clip.CustomTextCLIP, {"embed_cls": True}),
}


def small(kind: Kind, options: dict[str, Any]) -> nn.Module:
    torch.manual_seed(0)
    model = kind(32, SMALL_VISION, SMALL | options).eval()
    for parameter in model.parameters():  # open_clip starts some at zero, which would hide what is left out
        nn.init.normal_(parameter, std=0.3)
    return model


def texts(end: int = END) -> Tensor:
    """Three texts of :data:`LAST_TOKENS` + 1 tokens, padded with zeros."""
    tokens = torch.zeros(len(LAST_TOKENS), CONTEXT, dtype=torch.long)
    for row, last in zip(tokens, LAST_TOKENS, strict=True):
        row[:last] = torch.randint(1, 40, (last,), generator=torch.Generator().manual_seed(last))
        row[last] = end
    return tokens


def positions(model: nn.Module, tokens: Tensor) -> tuple[Tensor, int]:
    """What :func:`encode_text` returns, and the number of positions that the tower ran on."""
    seen: list[int] = []
    tower = getattr(model, "text", model)
    with tower.transformer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[1])):
        features = encode_text(model, tokens)
    return features, seen[0]


@pytest.mark.parametrize(("kind", "options"), CAUSAL.values(), ids=CAUSAL)
def test_a_causal_tower_runs_up_to_the_last_end_token_and_gives_the_same(kind, options):
    model, tokens = small(kind, options), texts(options.get("eos_id", END))
    with torch.inference_mode():
        features, ran = positions(model, tokens)
        torch.testing.assert_close(features, model.encode_text(tokens), atol=1e-5, rtol=1e-5)
    assert ran == max(LAST_TOKENS) + 1


@pytest.mark.parametrize(("kind", "options"), WHOLE.values(), ids=WHOLE)
def test_any_other_tower_runs_on_the_whole_context(kind, options):
    model, tokens = small(kind, options), texts()
    with torch.inference_mode():
        features, ran = positions(model, tokens)
        assert torch.equal(features, model.encode_text(tokens))
    assert ran >= CONTEXT


@pytest.mark.parametrize("architecture", ["ViT-B-32", "ViT-L-14-quickgelu", "EVA02-B-16", "MobileCLIP-S1"])
def test_architectures_give_what_open_clip_gives(architecture: str):
    model = untrained_text_tower(architecture)
    tokens = open_clip.tokenize(["a cat", "a photo of a dog and a pizza on a blue background", "", "cat " * 100])
    with torch.inference_mode():
        expected = model.encode_text(tokens)
        for rows in (slice(0, 3), slice(None)):  # the last text fills the context
            torch.testing.assert_close(encode_text(model, tokens[rows]), expected[rows], atol=1e-5, rtol=1e-5)


def test_gradients_are_those_of_the_whole_context():
    model, tokens = small(open_clip.CLIP, {}), texts()
    gradients = []
    for encode in (model.encode_text, lambda given: encode_text(model, given)):
        model.zero_grad()
        encode(tokens).square().sum().backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    slow, fast = gradients
    assert fast.keys() == slow.keys()
    for name, gradient in slow.items():
        torch.testing.assert_close(fast[name], gradient, atol=1e-4, rtol=1e-4, msg=name)


def test_texts_come_back_in_their_order(pocket):
    names = ["a photo of a very large guitar on a small table", "cat", "a drawing of a pizza", "dog"]
    together = pocket.encode_text(names)
    one_by_one = torch.cat([pocket.encode_text([name]) for name in names])
    torch.testing.assert_close(together, one_by_one, atol=1e-5, rtol=0)
