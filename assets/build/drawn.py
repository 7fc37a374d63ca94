"""What pocket-diffusion learns from: sentences about one or two things on a background, and pictures of just that."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from augment import place
from drawings import drawings, rasterise_all
from fetch import HERE, ICON_SETS
from texts import labels
from torch import Tensor

SIZE = 64
STYLES = ("noto", "twemoji")
COLOURS = {
    "white": (255, 255, 255),
    "blue": (66, 133, 244),
    "red": (219, 68, 55),
    "green": (67, 160, 71),
    "yellow": (255, 213, 79),
    "grey": (158, 158, 158),
    "black": (33, 33, 33),
    "pink": (244, 143, 177),
    "purple": (126, 87, 194),
}
ONE = ("{}", "a {}", "a {}", "a picture of a {}", "a drawing of a {}", "a photo of a {}", "the {}", "a {} emoji")
TWO = (
    "a {} and a {}",
    "a {} and a {}",
    "{} and {}",
    "a picture of a {} and a {}",
    "a {} next to a {}",
    "a {} with a {}",
)
NONE = ("nothing", "an empty picture", "a blank picture", "a plain background")


@dataclass(frozen=True)
class Scene:
    """Which concepts (positions in :func:`drawn`, up to two) stand on which background, and a sentence that says so."""

    things: tuple[int, ...]
    colour: str
    caption: str


@cache
def drawn() -> tuple[str, ...]:
    """Names of the concepts that are drawn."""
    lines = (HERE / "drawn.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


@cache
def stickers() -> Tensor:
    """The first drawing of every concept in every style, alpha premultiplied: (concepts, styles, 4, 96, 96) in 0..1."""
    found: dict[tuple[str, str], str] = {}
    for style in STYLES:
        for drawing in drawings(next(icon_set for icon_set in ICON_SETS if icon_set.style == style)):
            found.setdefault((drawing.concept, style), drawing.svg)
    kept = [
        next(d for d in drawings(icon_set) if d.svg == found[name, icon_set.style])
        for name in drawn()
        for icon_set in (next(s for s in ICON_SETS if s.style == style) for style in STYLES)
    ]
    rgba = torch.from_numpy(rasterise_all(kept, 192)).permute(0, 3, 1, 2).float() / 255
    premultiplied = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], 1)
    return F.avg_pool2d(premultiplied, 2).unflatten(0, (len(drawn()), len(STYLES)))


def _article(sentence: str, names: Sequence[str]) -> str:
    for name in names:
        if name[0] in "aeiou":
            sentence = sentence.replace(f"a {name}", f"an {name}")
    return sentence


def random_scene(rng: random.Random) -> Scene:
    """A scene of one thing (three in five), of two, or of none (one in twenty), in one wording of many."""
    kind = rng.random()
    count = 0 if kind < 0.05 else 1 if kind < 0.65 else 2
    things = tuple(rng.sample(range(len(drawn())), count))
    known = labels()
    names = [drawn()[thing] for thing in things]
    if rng.random() < 0.1:
        names = [rng.choice(known.synonyms[known.names.index(name)] or (name,)) for name in names]
    caption = _article(rng.choice((NONE, ONE, TWO)[count]).format(*names), names)
    if rng.random() < 0.4:
        colour = rng.choice(list(COLOURS))
        return Scene(things, colour, f"{caption} on a {colour} background" if count else f"a {colour} background")
    return Scene(things, "white", caption)


def paint(scenes: Sequence[Scene]) -> Tensor:
    """Pictures of ``scenes`` in styles, sizes and places drawn at random: (n, 3, SIZE, SIZE) in -1..1."""
    colours = torch.tensor([COLOURS[scene.colour] for scene in scenes]) / 255
    canvas = colours[:, :, None, None].expand(-1, -1, SIZE, SIZE).clone()
    for count, slot in ((1, 0), (2, 0), (2, 1)):
        chosen = [i for i, scene in enumerate(scenes) if len(scene.things) == count]
        if not chosen:
            continue
        n = len(chosen)
        things = torch.tensor([scenes[i].things[slot] for i in chosen])
        images = stickers()[things, torch.randint(len(STYLES), (n,))]
        scale, shift = torch.empty(n).uniform_(0.8, 0.92), torch.randn(n, 2).clamp(-2, 2) * 0.03
        if count == 2:
            # grid_sample averages no more than four pixels: halve first what is drawn half as large.
            images, scale = F.avg_pool2d(images, 2), torch.empty(n).uniform_(0.46, 0.52)
            shift = shift + torch.tensor([(-0.48, 0.0), (0.48, 0.0)][slot])
        placed = place(images, SIZE, scale, torch.zeros(n), shift, torch.zeros(n))
        canvas[chosen] = canvas[chosen] * (1 - placed[:, 3:]) + placed[:, :3]
    return canvas.clamp(0, 1) * 2 - 1
