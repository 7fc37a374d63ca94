"""Untrusted files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def text_as_png(path: Path) -> None:
    path.write_text("this is no picture")


def truncated_jpeg(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:900])


def huge_png(path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(path, "PNG")


def animated_gif(path: Path) -> None:
    frames = [Image.new("RGB", (20, 20), (level, 120, 160)) for level in (5, 200)]
    frames[0].save(path, "GIF", save_all=True, append_images=frames[1:])


def cmyk_jpeg(path: Path) -> None:
    Image.new("CMYK", (20, 20), (200, 20, 20, 0)).save(path, "JPEG")


def sixteen_bit_png(path: Path) -> None:
    Image.fromarray(np.full((20, 20), 40_000, dtype=np.uint16)).save(path, "PNG")


def one_pixel_png(path: Path) -> None:
    Image.new("RGB", (1, 1), (5, 120, 160)).save(path, "PNG")


#: What cannot be used, and a word of the sentence that says so.
UNUSABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "text.png": (text_as_png, "not a picture"),
    "truncated.jpg": (truncated_jpeg, "damaged"),
    "huge.png": (huge_png, "too many pixels"),
}
#: What is unusual and works.
UNUSUAL: dict[str, Callable[[Path], None]] = {
    "animated.gif": animated_gif,
    "cmyk.jpg": cmyk_jpeg,
    "sixteen.png": sixteen_bit_png,
    "pixel.png": one_pixel_png,
}
