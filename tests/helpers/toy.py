"""A CLIP so small that it learns six coloured shapes in seconds: real architecture, real tokenizer, real learning."""

from __future__ import annotations

import random

import open_clip
import pytest
import torch
from PIL import Image, ImageDraw
from torch.nn import functional as F

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.concepts.prompts import Concept, prompts
from unlearn.concepts.selection import Vocabulary
from unlearn.data.gallery import Gallery, GalleryImage

COLOURS = {
    "apple": (210, 30, 40),
    "frog": (40, 170, 60),
    "whale": (40, 70, 200),
    "lemon": (240, 220, 40),
    "grape": (130, 40, 160),
    "carrot": (240, 130, 30),
}


def toy_model(vision: dict[str, object] | None = None, *, embed_dim: int = 32, seed: int = 0) -> OpenClipEncoder:
    """An untrained CLIP of open_clip's own classes, 32 px pictures, 64 dimensions or less everywhere."""
    torch.manual_seed(seed)
    model = open_clip.model.CLIP(
        embed_dim=embed_dim,
        vision_cfg=vision or {"image_size": 32, "patch_size": 8, "width": 64, "layers": 2, "head_width": 32},
        text_cfg={"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
    )
    size = model.visual.image_size
    preprocess = open_clip.image_transform(size, is_train=False)
    remember_preprocessing(model)
    tokenizer = open_clip.SimpleTokenizer(context_length=16)
    return OpenClipEncoder("toy", model.eval().requires_grad_(False), preprocess, tokenizer, torch.device("cpu"))


def remember_preprocessing(model: torch.nn.Module) -> None:
    """Tell the model how its pictures are prepared, as open_clip's factory does."""
    mean, std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    how = {"mean": mean, "std": std, "interpolation": "bicubic", "resize_mode": "shortest"}
    open_clip.model.set_model_preprocess_cfg(model, {"size": model.visual.image_size} | how)


def _blob(concept: str, variant: int) -> Image.Image:
    chance = random.Random(f"{concept} {variant}")  # noqa: S311
    image = Image.new("RGB", (32, 32), (chance.randint(200, 255),) * 3)
    x, y, r = chance.randint(8, 16), chance.randint(8, 16), chance.randint(6, 9)
    colour = tuple(max(0, min(255, c + chance.randint(-20, 20))) for c in COLOURS[concept])
    ImageDraw.Draw(image).ellipse((x - r, y - r, x + 2 * r, y + 2 * r), fill=colour)
    return image


@pytest.fixture(scope="session")
def toy_gallery() -> Gallery:
    """Eight pictures to train on and four to test on for each concept."""
    return Gallery(
        "toy",
        tuple(
            GalleryImage(
                name,
                f"a drawing of a {name}",
                lambda n=name, v=variant: _blob(n, v),
                "train" if variant < 8 else "test",
            )
            for name in COLOURS
            for variant in range(12)
        ),
    )


@pytest.fixture(scope="session")
def toy_vocabulary() -> Vocabulary:
    return Vocabulary(tuple(Concept(name) for name in COLOURS))


@pytest.fixture(scope="session")
def toy(toy_gallery: Gallery) -> OpenClipEncoder:
    """The toy model after a short contrastive training: it tells all six concepts apart."""
    encoder = toy_model()
    model = encoder.model.requires_grad_(True)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    pixels = {n: torch.stack([encoder.preprocess(_blob(n, v)) for v in range(8)]) for n in COLOURS}
    tokens = {n: encoder.tokenizer(prompts(n)) for n in COLOURS}
    generator = torch.Generator().manual_seed(0)
    for _ in range(80):
        v, t = torch.randint(8, (1,), generator=generator).item(), torch.randint(6, (1,), generator=generator).item()
        images = F.normalize(model.encode_image(torch.stack([pixels[n][v] for n in COLOURS])), dim=-1)
        texts = F.normalize(model.encode_text(torch.stack([tokens[n][t] for n in COLOURS])), dim=-1)
        logits = 14.0 * images @ texts.T
        loss = F.cross_entropy(logits, torch.arange(6)) + F.cross_entropy(logits.T, torch.arange(6))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.requires_grad_(False)
    return encoder
