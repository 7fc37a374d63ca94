"""Find the drawings of every concept in the icon sets and rasterise them."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import resvg_py
from fetch import IconSet, emojibase, package_dir
from numpy.typing import NDArray
from PIL import Image
from vocabulary import Concept, concepts


@dataclass(frozen=True)
class Drawing:
    """One SVG picture of a concept."""

    concept: str
    label: str
    style: str
    svg: str


def _squeeze(text: str) -> str:
    """Letters and digits only: icon sets disagree on hyphens, apostrophes and accents."""
    plain = unicodedata.normalize("NFKD", text.replace("ñ", "n")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]", "", plain.lower())


@cache
def _unicode_names() -> dict[str, str]:
    """Emoji label to the character's Unicode name, which older sets use as the icon's name."""
    return {
        e["label"]: unicodedata.name(e["emoji"][0], "") for e in emojibase() if len(e["emoji"].rstrip("\ufe0f")) == 1
    }


def _keys(concept: Concept, label: str) -> list[str]:
    """Icon names under which a set may keep the drawing of ``label``."""
    keys = [_squeeze(label), _squeeze(_unicode_names().get(label, ""))]
    if label == concept.labels[0]:
        keys.append(_squeeze(concept.name))
    return [key for key in dict.fromkeys(keys) if key]


def drawings(icon_set: IconSet) -> Iterator[Drawing]:
    """Every drawing of a concept in ``icon_set``, numbered variants ("tree-2") included."""
    data = json.loads((package_dir(icon_set.package, icon_set.version) / "icons.json").read_text(encoding="utf-8"))
    names: dict[str, list[str]] = {}
    aliases = {alias: entry["parent"] for alias, entry in data.get("aliases", {}).items() if set(entry) == {"parent"}}
    for name in (*data["icons"], *aliases):
        names.setdefault(_squeeze(re.sub(r"-\d$", "", name)), []).append(aliases.get(name, name))
    taken: set[str] = set()
    for concept in concepts():
        for label in concept.labels:
            found = next((names[key] for key in _keys(concept, label) if key in names), [])
            for name in dict.fromkeys(found):
                if name in data["icons"] and name not in taken:
                    taken.add(name)
                    icon = data["icons"][name]
                    width, height = icon.get("width", data.get("width", 16)), icon.get("height", data.get("height", 16))
                    box = f"{icon.get('left', 0)} {icon.get('top', 0)} {width} {height}"
                    head = f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="{box}">'
                    yield Drawing(concept.name, label, icon_set.style, f"{head}{icon['body']}</svg>")


def rasterise(svg: str, size: int) -> NDArray[np.uint8]:
    """Draw ``svg`` centred on a transparent square: (size, size, 4), straight alpha."""
    png = resvg_py.svg_to_bytes(svg_string=svg, width=size, skip_system_fonts=True)
    image = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    image.thumbnail((size, size))
    canvas = Image.new("RGBA", (size, size))
    canvas.paste(image, ((size - image.width) // 2, (size - image.height) // 2))
    return np.asarray(canvas)


def rasterise_all(images: Iterable[Drawing], size: int) -> NDArray[np.uint8]:
    """Stack of drawings: (n, size, size, 4)."""
    return np.stack([rasterise(image.svg, size) for image in images])
