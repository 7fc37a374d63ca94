"""transformers' CLIPModel computes what open_clip computes, on real architectures with random weights."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch
from helpers.toy import toy_model
from helpers.untrained import untrained
from PIL import Image

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.errors import ModelError
from unlearn.export.transformers_clip import as_clip_model, as_clip_tokenizer, save_transformers

TEXTS = ["a cat", "A  photo of a crème brûlée and the dogs' 12 bowls", "", "שלום 😀", "oh! a cat!!", "<|endoftext|>"]


@pytest.mark.parametrize("architecture", ["ViT-B-32", "ViT-B-32-quickgelu", "ViT-L-14", "ViT-H-14"])
def test_both_towers_compute_the_same(architecture: str):
    model = untrained(architecture)
    converted = as_clip_model(model)
    pixels, tokens = torch.randn(2, 3, 224, 224), open_clip.tokenize(TEXTS)
    with torch.inference_mode():
        images = converted.get_image_features(pixel_values=pixels).pooler_output
        texts = converted.get_text_features(input_ids=tokens).pooler_output
        logits = converted(input_ids=tokens, pixel_values=pixels).logits_per_image
        expected_images, expected_texts = model.encode_image(pixels), model.encode_text(tokens)
        expected_logits, _ = model.get_logits(pixels, tokens)
    torch.testing.assert_close(images, expected_images, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(texts, expected_texts, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(logits, expected_logits, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("tokenizer", [open_clip.get_tokenizer("ViT-B-32"), "pocket"], ids=["clip", "pocket"])
def test_the_tokenizer_gives_the_same_tokens(tokenizer, pocket: OpenClipEncoder):
    tokenizer = pocket.tokenizer if tokenizer == "pocket" else tokenizer
    converted = as_clip_tokenizer(tokenizer)
    tokens = converted(TEXTS, padding="max_length", truncation=True, return_tensors="pt").input_ids
    assert torch.equal(tokens, tokenizer(TEXTS))


def test_a_saved_folder_sees_a_image_as_open_clip_does(tmp_path: Path):
    from transformers import CLIPModel, CLIPProcessor

    encoder = toy_model()
    save_transformers(tmp_path, encoder)
    model, processor = CLIPModel.from_pretrained(tmp_path), CLIPProcessor.from_pretrained(tmp_path)
    image = Image.effect_mandelbrot((90, 60), (-2, -1, 1, 1), 50).convert("RGB")
    inputs = processor(text=TEXTS, images=image, padding="max_length", truncation=True, return_tensors="pt")
    with torch.inference_mode():
        outputs = model(**inputs)
    torch.testing.assert_close(outputs.text_embeds, encoder.encode_text(TEXTS), atol=1e-5, rtol=0)
    # The two libraries resize with other code.
    assert float((outputs.image_embeds * encoder.encode_image([image])).sum()) > 0.999


@pytest.mark.parametrize(
    ("vision", "sentence"),
    [
        ({"image_size": 32, "layers": [1, 1, 1, 1], "width": 8}, "another architecture"),
        ({"image_size": 32, "patch_size": 8, "width": 64, "layers": 1, "pool_type": "avg"}, "pooling"),
        ({"image_size": 32, "patch_size": 8, "width": 64, "layers": 1, "ls_init_value": 0.1}, "blocks"),
        ({"image_size": 32, "patch_size": 8, "width": 64, "layers": 1, "no_ln_pre": True}, "pooling"),
    ],
)
def test_a_tower_that_is_not_clips_own_is_refused(vision, sentence):
    with pytest.raises(ModelError, match=sentence):
        as_clip_model(toy_model({"head_width": 32} | vision).model)


def test_the_embedded_model_is_refused_with_its_reason(pocket: OpenClipEncoder):
    with pytest.raises(ModelError, match="EfficientNet"):
        as_clip_model(pocket.model)
