"""A model of a few lines that knows its pictures by their colour: wiring is tested without weights."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from unlearn.app.services import Services
from unlearn.clip.caching_encoder import CachingEncoder
from unlearn.clip.models import Models
from unlearn.concepts.prompts import Concept
from unlearn.concepts.selection import Vocabulary
from unlearn.data.gallery import Gallery, GalleryImage

NAMES = (
    "cat", "dog", "wolf", "fox", "lion", "tiger", "horse", "zebra", "pizza", "bread", "apple", "pear", "car", "bus",
    "train", "tree", "rose", "tulip", "guitar", "drum", "chair", "table", "clock", "key",
)  # fmt: skip
DIMENSIONS = 64


def _word(word: str) -> Tensor:
    generator = torch.Generator().manual_seed(zlib.crc32(word.encode()))
    return torch.randn(DIMENSIONS, generator=generator)


class FakeEncoder(CachingEncoder):
    """Texts are the sum of their words' random vectors, on a common mean; a picture is the text of its colour."""

    name = "fake"
    embed_dim = DIMENSIONS
    logit_scale = 20.0

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        rows = [sum((_word(w) for w in re.findall(r"\w+", text.lower())), start=2 * _word("<mean>")) for text in texts]
        return F.normalize(torch.stack(rows), dim=-1)

    def encode_image(self, images: Sequence[Image.Image]) -> Tensor:
        names = [NAMES[min(image.convert("RGB").getpixel((0, 0))[0] // 10, len(NAMES) - 1)] for image in images]
        return F.normalize(torch.stack([2 * _word(name) + 0.2 * _word(f"{name} seen") for name in names]), dim=-1)


def drawing(concept: str, size: int = 32) -> Image.Image:
    """A picture that :class:`FakeEncoder` takes for ``concept``."""
    return Image.new("RGB", (size, size), (NAMES.index(concept) * 10 + 5, 120, 160))


def fake_services() -> Services:
    """Services over the fake model, with two pictures of each of its concepts."""
    images = tuple(
        GalleryImage(name, f"{style} {name}", lambda name=name: drawing(name))  # type: ignore[misc]
        for name in NAMES
        for style in ("a drawing of a", "a small")
    )
    vocabulary = Vocabulary(tuple(Concept(name, ("kitten",) if name == "cat" else ()) for name in NAMES))
    return Services(Models(FakeEncoder(), offered="any"), Gallery("fake", images), vocabulary)


def few(gallery: Gallery) -> Gallery:
    """A few concepts of ``gallery``, so that a run takes seconds."""
    wanted = {"cat", "dog", "pizza", "car", "banana", "guitar", "umbrella", "key"}
    return gallery.where(lambda image: image.concept in wanted)
