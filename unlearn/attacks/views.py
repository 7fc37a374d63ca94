"""Views of images, flipped, turned and cropped, with which an attacker makes many images from a few."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from PIL import Image, ImageOps

from unlearn.data.gallery import Gallery

LARGEST_TURN = 20
SMALLEST_CROP = 0.75


def with_views(gallery: Gallery, copies: int, seed: int = 0) -> Gallery:
    """Return every image of ``gallery`` unchanged, then ``copies`` views of each, which depend only on ``seed``."""
    views = [
        replace(image, load=partial(_view, image.load, f"{seed} {number} {copy}"))
        for copy in range(copies)
        for number, image in enumerate(gallery)
    ]
    return Gallery(f"{gallery.name}, views", (*gallery.images, *views))


def _view(load: Callable[[], Image.Image], seed: str) -> Image.Image:
    chance = random.Random(seed)  # noqa: S311  a fixed choice, not a secret
    image = load()
    if chance.random() < 0.5:
        image = ImageOps.mirror(image)
    turned = image.rotate(
        chance.uniform(-LARGEST_TURN, LARGEST_TURN), Image.Resampling.BICUBIC, fillcolor=image.getpixel((0, 0))
    )
    share = chance.uniform(SMALLEST_CROP, 1)
    width, height = int(share * image.width), int(share * image.height)
    x, y = chance.randint(0, image.width - width), chance.randint(0, image.height - height)
    return turned.crop((x, y, x + width, y + height))
