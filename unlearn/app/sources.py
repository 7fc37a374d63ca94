"""Where the screen's pictures come from: the server's gallery, and what a visitor brings along."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from unlearn.concepts.selection import clean_name
from unlearn.data.decoding import decode
from unlearn.data.gallery import Gallery, Picture
from unlearn.data.images import compressed, open_image
from unlearn.errors import ConceptError, PictureError
from unlearn.finetuning.pairs import hold_out

MAX_UPLOADS = 64
#: Longest side a visitor's picture is kept at: more than any CLIP looks at, little to hold for every visitor.
KEPT_SIDE = 512
#: Size it is kept at, so that a visitor's own collection takes at most ten megabytes.
KEPT_BYTES = 160_000
STRIP_LENGTH = 18


def example_concept(gallery: Gallery, wanted: str) -> str:
    """What is erased when the page opens: ``wanted``, where there is a picture of it."""
    return wanted if wanted in gallery.concepts else gallery.concepts[0]


def alone(picture: Picture) -> Gallery:
    """``picture`` as a collection of one."""
    return Gallery("picture", (picture,))


def thumbnails_for(gallery: Gallery, concepts: Sequence[str], seed: int = 0) -> list[tuple[int, Picture]]:
    """A few pictures to choose from and their indices: those of ``concepts``, then others, drawn with ``seed``."""
    order = {name.casefold(): i for i, name in enumerate(concepts)}
    numbered = list(enumerate(gallery))
    wanted = [(i, picture) for i, picture in numbered if picture.concept.casefold() in order]
    wanted.sort(key=lambda entry: order[entry[1].concept.casefold()])
    others = [(i, picture) for i, picture in numbered if picture.concept.casefold() not in order]
    random.Random(seed).shuffle(others)  # noqa: S311  a fixed choice, not a secret
    return [*wanted, *others][:STRIP_LENGTH]


def uploaded_picture(path: str | None) -> Picture:
    """A visitor's picture, decoded and brought down to ``KEPT_SIDE``.

    Raises:
        PictureError: it cannot be read.
    """
    if not path:
        raise PictureError("No picture came through; send one as a file.")
    return _uploaded(path, "")


def _uploaded(path: str, concept: str) -> Picture:
    image = decode(path, KEPT_SIDE)
    load = partial(open_image, compressed(image, KEPT_BYTES))
    return Picture(concept, f"a picture of a {concept}", load, source=Path(path).name)


def add_uploads(uploads: Gallery | None, paths: Sequence[str], concept: str) -> Gallery:
    """``uploads`` and the pictures at ``paths``, which all show ``concept``; every fifth of a concept is held out.

    What cannot be read is left out and said in :attr:`unlearn.data.gallery.Gallery.notices`.

    Raises:
        ConceptError: ``concept`` cannot be used.
        PictureError: no picture, too many, or none that can be read; then none is added.
        BusyError: too many pictures are being opened; then none is added.
    """
    name = clean_name(concept)
    if not name:
        raise ConceptError("Say what the pictures show, in a word or a short phrase, such as “my mug”.")
    before = uploads.pictures if uploads else ()
    if not paths:
        raise PictureError("No pictures were given; choose at least one file.")
    if len(before) + len(paths) > MAX_UPLOADS:
        raise PictureError(
            f"{len(before) + len(paths)} pictures are too many; a collection of your own holds at most {MAX_UPLOADS}."
        )
    # A picture stays in its split when others join, so what was trained on is never measured on later.
    added, refused = [], []
    for path in paths:
        try:
            added.append(_uploaded(path, name))
        except PictureError as error:
            refused.append(str(error))
    if not added:
        raise PictureError(refused[0])
    notices = (f"{len(refused)} of {len(paths)} were left out.", *refused) if refused else ()
    return hold_out(Gallery("your pictures", (*before, *added), notices))
