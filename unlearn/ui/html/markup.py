"""Pieces of HTML: what an edit costs, what a model finds, and how a run goes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from unlearn.data.images import data_uri
from unlearn.errors import PictureError
from unlearn.ui.html.templates import fill, small

if TYPE_CHECKING:
    from unlearn.app.results import Found, FoundCaption, SplitAccuracy, Summary
    from unlearn.data.gallery import Picture
    from unlearn.evaluation.retrieval import RetrievalReport

THUMBNAIL = 112
#: Notices under the slider; the others are counted.
MOST_NOTICES = 4
NOTHING_LEFT = "The edit leaves nothing of this picture: no caption is closer to it than another."
#: Held weakly: a visitor's thumbnails go when the visitor does.
_thumbnails: WeakKeyDictionary[Picture, str] = WeakKeyDictionary()


def thumbnail(picture: Picture) -> str:
    """A small version of ``picture`` as a data URI, so that a strip of them is one answer and no file is served."""
    if picture not in _thumbnails:
        _thumbnails[picture] = data_uri(picture.load(), longest=THUMBNAIL)
    return _thumbnails[picture]


def no_summary() -> str:
    """Where the cost of the edit is going to be shown."""
    return fill("loading")


def summary(result: Summary, erased: Sequence[str]) -> str:
    """What stands under the strength slider: the cost of the edit in two numbers, and who is next to it."""
    if not erased:
        return fill("nothing_erased")
    before, *edited = result.accuracy.values()
    return fill(
        "summary",
        before=before,
        after=edited[-1] if edited else before,
        at_risk=result.at_risk,
        notices=result.notices,
        most=MOST_NOTICES,
    )


def accuracy_table(accuracy: Mapping[str, SplitAccuracy]) -> str:
    """Top-1 and top-5 on erased and other pictures, a row a variant."""
    return fill("accuracy", accuracy=accuracy)


def recall_table(recall: Mapping[str, RetrievalReport]) -> str:
    """recall@k in both directions, on erased and other concepts, a row a variant and direction."""
    return fill("recall", recall=recall)


def found_pictures(found: Mapping[str, Found], erased: Collection[str]) -> str:
    """The pictures each variant found, side by side, best first; for one that could not be asked, why."""
    original = next(iter(found.values()))
    if original.unanswered:  # and so is every edit of it
        return fill("notice", sentence=original.unanswered)
    cards = {variant: [(_seen(hit.picture), hit.score) for hit in answer.pictures] for variant, answer in found.items()}
    return fill("found_pictures", found=found, cards=cards, erased=erased)


class _Seen(NamedTuple):
    """A picture as it is found: under its concept or, of an index, under the name of its file."""

    concept: str
    path: str
    file: str
    thumbnail: str


def _seen(picture: Picture) -> _Seen:
    try:
        shown = thumbnail(picture)
    except (PictureError, OSError):  # what is in a folder may go or break after it was indexed
        shown = ""
    return _Seen(picture.concept, picture.source, PurePath(picture.source).name, shown)


def found_captions(found: Mapping[str, Sequence[FoundCaption]], erased: Collection[str]) -> str:
    """The captions each variant found for a picture, side by side, best first."""
    return fill("found_captions", found=found, erased=erased, nothing_left=NOTHING_LEFT)


def strip(pictures: Sequence[tuple[int, Picture]], erased: Collection[str]) -> str:
    """Thumbnails to choose from; the page tells the index of the one that was clicked."""
    return fill("strip", pictures=pictures, thumbnail=thumbnail, erased=erased)


def shown_picture(picture: Picture) -> str:
    """The picture that captions are looked up for."""
    return fill("shown_picture", picture=picture, thumbnail=thumbnail)


def no_run() -> str:
    """Where a run is going to be shown."""
    return small(
        "No run yet. One takes a minute or two on a laptop; the page stays usable meanwhile, and charts here show its "
        "losses and its accuracy as it goes."
    )
