"""Contents of a report as plain values; to add a metric, add another :class:`Measure`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from unlearn.attacks.report import AuditReport
from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.selection import Vocabulary
from unlearn.data.gallery import Gallery, GalleryImage
from unlearn.erasers.variants import ORIGINAL
from unlearn.evaluation.intervals import Change, Compared, Interval
from unlearn.evaluation.neighbours import Neighbour, nearest_neighbours
from unlearn.evaluation.quality import Quality, evaluate_edit
from unlearn.evaluation.retrieval import find_images
from unlearn.evaluation.zero_shot import classify, most_telling
from unlearn.export.record import Record
from unlearn.sweeps.point import TradeOffPoint

AT_RISK, FOUND, BARS = 6, 6, 6
#: Number of images shown: of the first erased concepts, and of the concepts closest to them.
ERASED_SHOWN, RISK_SHOWN = 2, 2


@dataclass(frozen=True)
class Measure:
    """One metric: for each edited variant a fraction before and after, with intervals, on the same items."""

    name: str
    changes: Mapping[str, Change]

    @property
    def before(self) -> Interval:
        """Return the original's interval."""
        return next(iter(self.changes.values())).before


@dataclass(frozen=True, eq=False)
class Look:
    """Labels that each variant sees in one image: {variant: {label: probability}}, the same labels for all."""

    image: Image.Image
    title: str
    probabilities: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class ImageSearch:
    """Images that each variant finds for a text, best first."""

    query: str
    found: Mapping[str, Sequence[GalleryImage]]


@dataclass(frozen=True, eq=False)
class DrawnPair:
    """Drawings from the same seeds before and after."""

    prompt: str
    pipeline: str
    before: Sequence[Image.Image]
    after: Sequence[Image.Image]


@dataclass(frozen=True, eq=False)
class Report:
    """Everything on the page.

    ``audit`` holds the attacks on these erasures, or None if there was none.

    ``link`` is the query string that opens the app with this erasure; if a link could exist but does not, ``no_link``
    gives the reason.
    """

    records: Sequence[Record]
    erased: Sequence[str]
    collection: str
    measures: Sequence[Measure]
    at_risk: Sequence[Neighbour]
    looks: Sequence[Look]
    searches: Sequence[ImageSearch]
    audit: AuditReport | None = None
    curves: Sequence[TradeOffPoint] = ()
    drawn: DrawnPair | None = None
    link: str = ""
    no_link: str = ""


def measure_report(
    variants: Mapping[str, TextImageEncoder],
    records: Sequence[Record],
    collection: Gallery,
    vocabulary: Vocabulary,
    *,
    image: GalleryImage | None = None,
    audit: AuditReport | None = None,
    curves: Sequence[TradeOffPoint] = (),
    drawn: DrawnPair | None = None,
    link: str = "",
    no_link: str = "",
) -> Report:
    """Measure ``variants`` on ``collection`` with the whole ``vocabulary`` offered.

    Args:
        variants: the models compared, the original first under :data:`unlearn.erasers.variants.ORIGINAL`.
        records: of the active erasures.
        collection: labelled images that none of them was trained on.
        vocabulary: the labels.
        image: an image to classify before the collection's own.
        audit, curves, drawn, link, no_link: what else there is to show, see :class:`Report`.
    """
    erased = tuple(dict.fromkeys(name for record in records for name in record.selection.forget_names))
    at_risk = nearest_neighbours(variants[ORIGINAL], erased, vocabulary, AT_RISK)
    shown = [image] if image else []
    for concept in (*erased[:ERASED_SHOWN], *(neighbour.name for neighbour in at_risk[:RISK_SHOWN])):
        shown += [found for found in collection if found.concept == concept][:1]
    return Report(
        records=records,
        erased=erased,
        collection=collection.name,
        measures=_measures(variants, collection, vocabulary, erased),
        at_risk=at_risk,
        looks=[look_at(variants, found, vocabulary, erased) for found in dict.fromkeys(shown)],
        searches=[_search(variants, concept, collection, vocabulary) for concept in erased[:ERASED_SHOWN]],
        audit=audit,
        curves=curves,
        drawn=drawn,
        link=link,
        no_link=no_link,
    )


def look_at(
    variants: Mapping[str, TextImageEncoder], image: GalleryImage, vocabulary: Vocabulary, erased: Sequence[str]
) -> Look:
    """Classify ``image`` with all ``variants`` and keep the most telling labels of ``vocabulary``."""
    pixels = image.load()
    seen = {
        name: classify(encoder, pixels, vocabulary.names, vocabulary.templates) for name, encoder in variants.items()
    }
    own = [image.concept] if image.concept in vocabulary.names else erased[:1]
    labels = most_telling(seen, own, BARS)
    title = image.concept or "the chosen picture"
    return Look(pixels, title, {name: {label: p[label] for label in labels} for name, p in seen.items()})


def _search(
    variants: Mapping[str, TextImageEncoder], query: str, collection: Gallery, vocabulary: Vocabulary
) -> ImageSearch:
    found = {
        name: [
            collection.images[hit.index] for hit in find_images(encoder, query, collection, vocabulary.templates, FOUND)
        ]
        for name, encoder in variants.items()
    }
    return ImageSearch(query, found)


def _measures(
    variants: Mapping[str, TextImageEncoder], collection: Gallery, vocabulary: Vocabulary, erased: Sequence[str]
) -> list[Measure]:
    """Measure accuracy and retrieval; nothing if no concept of ``collection`` is in ``vocabulary``."""
    if (collection.targets(vocabulary.names) < 0).all():
        return []
    original = variants[ORIGINAL]
    qualities = {
        name: evaluate_edit(original, encoder, collection, forget=erased, vocabulary=vocabulary)
        for name, encoder in variants.items()
        if name != ORIGINAL
    }

    def measure(name: str, value: Callable[[Quality], Compared]) -> Measure:
        return Measure(name, {variant: value(quality).change() for variant, quality in qualities.items()})

    return [
        measure("Top-1 on pictures of erased concepts", lambda quality: quality.top1["forget"]),
        measure("Top-5 on pictures of erased concepts", lambda quality: quality.top5["forget"]),
        measure("Top-1 on them among five labels", lambda quality: quality.among_few),
        measure("Top-1 on all other pictures", lambda quality: quality.top1["retain"]),
        measure("Top-5 on all other pictures", lambda quality: quality.top5["retain"]),
        *(
            measure(f"{what}, {of}, recall@10", _recall(direction, part))
            for direction, what in (("text_to_image", "Text → pictures"), ("image_to_text", "Picture → captions"))
            for part, of in (("forget", "erased"), ("retain", "others"))
        ),
    ]


def _recall(direction: str, part: str) -> Callable[[Quality], Compared]:
    return lambda quality: quality.recall[direction][part][10]
