"""Sources of the screen's images: the server's gallery and the visitor's uploads."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from unlearn.concepts.selection import clean_name
from unlearn.data.decoding import decode
from unlearn.data.gallery import Gallery, GalleryImage
from unlearn.data.images import compressed, open_image
from unlearn.errors import ConceptError, ImageError
from unlearn.finetuning.pairs import hold_out

MAX_UPLOADS = 64
#: Longest side to keep of a visitor's image: more than any CLIP's input, and little memory per visitor.
KEPT_SIDE = 512
#: Largest stored size of a visitor's image in bytes, so that a visitor's collection takes at most ten megabytes.
KEPT_BYTES = 160_000
STRIP_LENGTH = 18


def alone(image: GalleryImage) -> Gallery:
    """Return ``image`` as a gallery of one."""
    return Gallery("picture", (image,))


def thumbnails_for(gallery: Gallery, concepts: Sequence[str], seed: int = 0) -> list[tuple[int, GalleryImage]]:
    """Return a few images to choose from, with their indices: those of ``concepts``, then others in random order."""
    order = {name.casefold(): i for i, name in enumerate(concepts)}
    numbered = list(enumerate(gallery))
    wanted = [(i, image) for i, image in numbered if image.concept.casefold() in order]
    wanted.sort(key=lambda entry: order[entry[1].concept.casefold()])
    others = [(i, image) for i, image in numbered if image.concept.casefold() not in order]
    random.Random(seed).shuffle(others)  # noqa: S311  a fixed choice, not a secret
    return [*wanted, *others][:STRIP_LENGTH]


def uploaded_image(path: str | None) -> GalleryImage:
    """Decode a visitor's image and reduce it to ``KEPT_SIDE``.

    Raises:
        ImageError: the image cannot be read.
    """
    if not path:
        raise ImageError("No picture came through; send one as a file.")
    return _uploaded(path, "")


def _uploaded(path: str, concept: str) -> GalleryImage:
    image = decode(path, KEPT_SIDE)
    load = partial(open_image, compressed(image, KEPT_BYTES))
    return GalleryImage(concept, f"a picture of a {concept}", load, source=Path(path).name)


def add_uploads(uploads: Gallery | None, paths: Sequence[str], concept: str) -> Gallery:
    """Return ``uploads`` with the images at ``paths`` added, all of ``concept``; every fifth of a concept is held out.

    Unreadable images are left out and listed in :attr:`unlearn.data.gallery.Gallery.notices`.

    Raises:
        ConceptError: ``concept`` is not valid.
        ImageError: there is no image, too many, or none that can be read; none is added.
        BusyError: too many images are being decoded; none is added.
    """
    name = clean_name(concept)
    if not name:
        raise ConceptError("Say what the pictures show, in a word or a short phrase, such as “my mug”.")
    before = uploads.images if uploads else ()
    if not paths:
        raise ImageError("No pictures were given; choose at least one file.")
    if len(before) + len(paths) > MAX_UPLOADS:
        raise ImageError(
            f"{len(before) + len(paths)} pictures are too many; a collection of your own holds at most {MAX_UPLOADS}."
        )
    # An image stays in its split when others are added, so training images are never used for measurements later.
    added, refused = [], []
    for path in paths:
        try:
            added.append(_uploaded(path, name))
        except ImageError as error:
            refused.append(str(error))
    if not added:
        raise ImageError(refused[0])
    notices = (f"{len(refused)} of {len(paths)} were left out.", *refused) if refused else ()
    return hold_out(Gallery("your pictures", (*before, *added), notices))
