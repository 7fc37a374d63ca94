"""Training data of CLIPErase: images paired with texts, drawn in batches that depend only on seed and step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from unlearn.concepts.prompts import Concept, prompts, surface_forms
from unlearn.concepts.selection import Selection
from unlearn.data.gallery import Gallery, GalleryImage
from unlearn.errors import ImageError


@dataclass(frozen=True)
class PairSet:
    """Images, each with the texts that it may be paired with.

    Attributes:
        images: (gallery, index in the gallery) of every image.
        texts: the distinct texts.
        choices: for every image the indices of its texts in ``texts``.
        concepts: for every image the number of its concept.
    """

    images: tuple[tuple[int, int], ...]
    texts: tuple[str, ...]
    choices: tuple[tuple[int, ...], ...]
    concepts: tuple[int, ...]

    def draw(self, size: int, generator: torch.Generator, *, distinct: bool) -> list[tuple[int, int]]:
        """Draw a batch of (image, text) indices.

        With ``distinct`` every concept occurs at most once, so that no two pairs of one concept are negatives of each
        other in a contrastive loss; the batch has fewer than ``size`` pairs if there are fewer concepts. Without
        ``distinct`` images are drawn with replacement.
        """
        if distinct:
            by_concept: dict[int, list[int]] = {}
            for image, concept in enumerate(self.concepts):
                by_concept.setdefault(concept, []).append(image)
            order = torch.randperm(len(by_concept), generator=generator)[:size].tolist()
            groups = list(by_concept.values())
            drawn = [_one_of(groups[i], generator) for i in order]
        else:
            drawn = torch.randint(len(self.images), (size,), generator=generator).tolist()
        return [(image, _one_of(self.choices[image], generator)) for image in drawn]


def forget_and_retain(
    selection: Selection, galleries: Sequence[Gallery], templates: Sequence[str]
) -> tuple[PairSet, PairSet]:
    """Sort the images of ``galleries`` into pairs to forget and pairs to retain; other images are left out.

    An image is paired with its caption and with its concept's name in each of ``templates``; an image to forget also
    with the concept's plural and synonyms. If the concept is a whole caption, the caption is the only text.

    Raises:
        ImageError: a concept to forget has no image, or no retained concept has one.
    """
    forget = {concept.name.casefold(): concept for concept in selection.forget}
    retain = {name.casefold(): Concept(name) for name in selection.retain}
    everything = [((g, i), image) for g, gallery in enumerate(galleries) for i, image in enumerate(gallery)]
    seen = {image.concept.casefold() for _, image in everything}
    missing = [concept.name for key, concept in forget.items() if key not in seen]
    if missing:
        raise ImageError(
            f"There is no picture of “{missing[0]}” to learn from; upload some of it (ten are enough), or erase it "
            "with CCUP, which needs words only."
        )
    if not seen & set(retain):
        raise ImageError("There is no picture of any retained concept; retain some that the gallery shows.")
    return _pair(everything, forget, templates, synonyms=True), _pair(everything, retain, templates, synonyms=False)


def hold_out(gallery: Gallery) -> Gallery:
    """Return ``gallery`` with every fifth image of each concept as its test split; the others are for training."""
    seen: dict[str, int] = {}
    images = []
    for image in gallery:
        count = seen[image.concept] = seen.get(image.concept, 0) + 1
        images.append(replace(image, split="train" if count % 5 else "test"))
    return Gallery(gallery.name, tuple(images), gallery.notices)


def _pair(
    everything: Sequence[tuple[tuple[int, int], GalleryImage]],
    wanted: dict[str, Concept],
    templates: Sequence[str],
    *,
    synonyms: bool,
) -> PairSet:
    images, choices, concepts = [], [], []
    numbers: dict[str, int] = {}
    index: dict[str, int] = {}
    for place, image in everything:
        concept = wanted.get(image.concept.casefold())
        if concept is None:
            continue
        if image.concept == image.caption:
            texts = [image.caption]
        else:
            forms = surface_forms(concept) if synonyms else (concept.name,)
            texts = [*(prompt for form in forms for prompt in prompts(form, templates)), image.caption]
        images.append(place)
        choices.append(tuple(index.setdefault(text, len(index)) for text in dict.fromkeys(texts)))
        concepts.append(numbers.setdefault(concept.name.casefold(), len(numbers)))
    return PairSet(tuple(images), tuple(index), tuple(choices), tuple(concepts))


def _one_of(options: Sequence[int], generator: torch.Generator) -> int:
    return options[int(torch.randint(len(options), (1,), generator=generator))]
