"""The converted text tower computes what open_clip computes, on every architecture a pipeline is driven by."""

from __future__ import annotations

import open_clip
import pytest
import torch
from helpers.untrained import LAYERS, SMALL_VISION, untrained_text_tower
from torch import nn

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.text_tower import as_clip_text_model
from unlearn.errors import ModelError

#: What drives Stable Diffusion 1, 2, XL (two of these) and, with another class around the tower, nothing in particular.
ARCHITECTURES = ("ViT-L-14-quickgelu", "ViT-H-14", "ViT-bigG-14", "ViT-B-32", "EVA02-B-16")


def token_states(model: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """What ``ln_final`` gives inside of open_clip."""
    tower = getattr(model, "text", model)
    seen: list[torch.Tensor] = []
    hook = tower.ln_final.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.inference_mode():
        model.encode_text(tokens)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_states_equal_those_of_open_clip(architecture: str):
    model = untrained_text_tower(architecture)
    tokens = open_clip.tokenize(["a cat", "a photo of a dog and a pizza on a blue background", ""])
    with torch.inference_mode():
        converted = as_clip_text_model(model)(tokens).last_hidden_state
    torch.testing.assert_close(converted, token_states(model, tokens), atol=1e-5, rtol=1e-5)


def test_the_last_but_one_layer_is_read_as_stable_diffusion_2_does():
    model = untrained_text_tower("ViT-H-14")
    tokens = open_clip.tokenize(["a cat"])
    whole, shortened = as_clip_text_model(model), as_clip_text_model(model, layers=LAYERS - 1)
    with torch.inference_mode():
        before_last = whole(tokens, output_hidden_states=True).hidden_states[-2]
        expected = whole.final_layer_norm(before_last)
        torch.testing.assert_close(shortened(tokens).last_hidden_state, expected)


def test_the_new_module_has_weights_of_its_own(pocket: OpenClipEncoder):
    converted = as_clip_text_model(pocket.model)
    before = pocket.model.ln_final.weight.clone()
    with torch.no_grad():
        converted.final_layer_norm.weight.zero_()
    assert torch.equal(pocket.model.ln_final.weight, before)


def test_a_tower_that_reads_both_ways_is_refused():
    config = open_clip.get_model_config("ViT-B-16-SigLIP")
    text = config["text_cfg"] | {"layers": 1, "hf_tokenizer_name": None}
    model = open_clip.CustomTextCLIP(config["embed_dim"], SMALL_VISION, text)
    with pytest.raises(ModelError, match="no diffusion pipeline is driven by it"):
        as_clip_text_model(model)
