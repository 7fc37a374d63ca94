"""A second check of drawings: Debian's public-domain ``openclipart-svg``, neither shipped nor trained on."""

from __future__ import annotations

import string
from pathlib import Path

from drawings import rasterise
from PIL import Image

from unlearn.concepts.selection import load_vocabulary
from unlearn.data.gallery import Gallery, GalleryImage

PER_CONCEPT = 3


def clip_art(folder: Path) -> Gallery:
    """SVG files below ``folder`` whose name begins with a concept's name, at most three a concept.

    A name is only what the uploader called the file: some say something else than the picture shows.
    """
    names = {tuple(name.split()): name for name in load_vocabulary().names}
    found: dict[str, list[GalleryImage]] = {}
    for path in sorted(folder.rglob("*.svg")):
        words = tuple(path.stem.lower().strip(string.digits + "_").split("_"))
        concept = next((names[words[:length]] for length in (3, 2, 1) if words[:length] in names), None)
        if concept is None or len(found.get(concept, ())) >= PER_CONCEPT:
            continue
        try:
            drawn = Image.fromarray(rasterise(path.read_text(encoding="utf-8"), 224))
        except (ValueError, UnicodeDecodeError):  # some of the package's files are no SVG that can be drawn
            continue
        image = Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")
        found.setdefault(concept, []).append(GalleryImage(concept, f"a drawing of a {concept}", lambda p=image: p))  # type: ignore[misc]
    return Gallery("openclipart", tuple(image for images in found.values() for image in images))
