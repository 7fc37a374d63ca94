"""Images that an attacker has: some of the concept, with several views of each, and some of everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from unlearn.attacks.views import with_views
from unlearn.caching import ObjectCache
from unlearn.data.gallery import Gallery, GalleryImage

#: Number of other images in either split: evenly spaced in the gallery, and the same for all concepts.
OTHERS = 128
#: Side to which images are scaled for their raw pixels.
SIDE = 16


@dataclass(frozen=True, eq=False)
class Split:
    """Images of one concept, and some of all concepts, which every concept shares."""

    own: Gallery
    some: Gallery

    @classmethod
    def of(cls, gallery: Gallery, own: Sequence[GalleryImage], *, copies: int = 0, seed: int = 0) -> Split:
        """Return ``own``, images of one concept, with ``copies`` views of each, and :data:`OTHERS` of ``gallery``."""
        images = tuple(own)
        some = _splits.get(gallery, "some", lambda: _evenly(gallery, OTHERS))
        shown = _splits.get(
            gallery, (images, copies, seed), lambda: with_views(Gallery(gallery.name, images), copies, seed)
        )
        return cls(shown, some)

    @cached_property
    def others(self) -> Tensor:
        """Return which of ``some`` do not show the concept."""
        names = {image.concept.casefold() for image in self.own}
        return torch.tensor([image.concept.casefold() not in names for image in self.some], dtype=torch.bool)

    @cached_property
    def positive(self) -> Tensor:
        """Return which rows show the concept when its images come first and others follow, (n,)."""
        return torch.arange(len(self.own) + int(self.others.sum())) < len(self.own)

    @cached_property
    def pixels(self) -> Tensor:
        """Return the raw pixels of the scaled images, the concept's own first: (n, 3 · SIDE²), from 0 to 1."""
        return torch.cat([_pixels(self.own), _pixels(self.some)[self.others]])


#: Cache of the concepts attacked last, so that no image is encoded again for every method.
_splits: ObjectCache[Gallery] = ObjectCache(most=32)


def images_of(gallery: Gallery, name: str) -> tuple[GalleryImage, ...]:
    """Return the images of the concept ``name`` in ``gallery``."""
    key = name.casefold()
    return tuple(image for image in gallery if image.concept.casefold() == key)


def share_out(images: Sequence[GalleryImage]) -> tuple[Sequence[GalleryImage], Sequence[GalleryImage]]:
    """Divide images of a concept into a third that an attacker knows, at least one, and the rest to measure on."""
    known = max(1, len(images) // 3)
    return images[:known], images[known:]


def _evenly(gallery: Gallery, most: int) -> Gallery:
    step = max(1, -(-len(gallery) // most))
    return Gallery(gallery.name, gallery.images[::step])


def _pixels(gallery: Gallery) -> Tensor:
    small = [image.load().resize((SIDE, SIDE)) for image in gallery]
    return torch.from_numpy(np.stack([np.asarray(pixels, dtype=np.float32) for pixels in small])).flatten(1) / 255
