"""Pieces of HTML: the cost of an edit, search results, and the progress of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from unlearn.data.images import data_uri
from unlearn.errors import ImageError
from unlearn.ui.html.templates import fill, is_among, small

if TYPE_CHECKING:
    from unlearn.app.results import Called, FoundCaption, Hits, Summary
    from unlearn.data.gallery import Gallery, GalleryImage
    from unlearn.evaluation.per_class import ClassTable

THUMBNAIL = 112
#: Number of notices shown under the slider; the others are counted.
MOST_NOTICES = 4
#: Concepts offered in place of one that the model hardly knows.
MOST_INSTEAD = 3
#: Thumbnails of the visitor's own images.
THUMBNAILS = 12
NOTHING_LEFT = "The edit leaves nothing of this picture: no caption is closer to it than another."
#: Weak keys: a visitor's thumbnails are freed with the visitor's images.
_thumbnails: WeakKeyDictionary[GalleryImage, str] = WeakKeyDictionary()


def thumbnail(image: GalleryImage) -> str:
    """Return a thumbnail of ``image`` as a data URI, so that a strip needs one response and no files."""
    if image not in _thumbnails:
        _thumbnails[image] = data_uri(image.load(), longest=THUMBNAIL)
    return _thumbnails[image]


def summary(
    result: Summary,
    erased: Sequence[str],
    hardly_known: Sequence[str] = (),
    examples: Sequence[str] = (),
    top1: Mapping[str, Sequence[float]] | None = None,
) -> str:
    """Return the summary under the strength slider: the cost of the edit in two numbers, and the concepts at risk.

    Args:
        result: the measurements.
        erased: the concepts erased.
        hardly_known: those of them that the model did not know well before the edit.
        examples: concepts that it does know, to erase instead.
        top1: top-1 after the edit at every position of the strength slider, as :func:`unlearn.app.by_strength.top1`.
    """
    if not erased:
        return fill("nothing_erased")
    before, *edited = result.accuracy.values()
    return fill(
        "summary",
        before=before,
        after=edited[-1] if edited else before,
        at_risk=result.at_risk,
        notices=result.notices,
        unknown=result.unknown,
        hardly_known=hardly_known,
        instead=[name for name in examples if not is_among(name, erased)][:MOST_INSTEAD],
        most=MOST_NOTICES,
        top1=top1 or {},
    )


def class_table(table: ClassTable, erased: Collection[str]) -> str:
    """Return the classes that were erased or that changed, with what their images are called now."""
    shown = [result for result in table.results if result.changed or is_among(result.name, erased)]
    return fill("classes", results=table.results, shown=shown, csv=table.csv, erased=erased)


def found_images(found: Mapping[str, Hits], erased: Collection[str]) -> str:
    """Return the images that each variant found, side by side, best first; or the reason why it found none."""
    original = next(iter(found.values()))
    if original.unanswered:  # then no edit of it has an answer either
        return fill("notice", sentence=original.unanswered)
    cards = {variant: [(_seen(hit.image), hit.score) for hit in answer.images] for variant, answer in found.items()}
    return fill("found_images", found=found, cards=cards, erased=erased)


class _Seen(NamedTuple):
    """A search result: an image with its concept or, from an index, its file name."""

    concept: str
    path: str
    file: str
    thumbnail: str


def _seen(image: GalleryImage) -> _Seen:
    try:
        shown = thumbnail(image)
    except (ImageError, OSError):  # files may vanish or be damaged after they were indexed
        shown = ""
    return _Seen(image.concept, image.source, PurePath(image.source).name, shown)


def found_captions(found: Mapping[str, Sequence[FoundCaption]], erased: Collection[str]) -> str:
    """Return the captions that each variant found for an image, side by side, best first."""
    return fill("found_captions", found=found, erased=erased, nothing_left=NOTHING_LEFT)


def strip(images: Sequence[tuple[int, GalleryImage]], erased: Collection[str]) -> str:
    """Return thumbnails to choose from; a click on one sends its index."""
    return fill("strip", images=images, thumbnail=thumbnail, erased=erased)


def own_images(uploads: Gallery, called: Called | None) -> str:
    """Return the visitor's own images as thumbnails, newest first, and what the model called the newest before."""
    newest = list(reversed(uploads.images))[:THUMBNAILS]
    return fill("own_images", uploads=uploads, newest=newest, thumbnail=thumbnail, called=called, few=MOST_INSTEAD)


def shown_image(image: GalleryImage) -> str:
    """Return the image that captions are searched for."""
    return fill("shown_image", image=image, thumbnail=thumbnail)


def no_run() -> str:
    """Return the placeholder for a run."""
    return small(
        "No run yet. One takes a minute or two on a laptop; the page stays usable meanwhile, and charts here show its "
        "losses and its accuracy as it goes."
    )
