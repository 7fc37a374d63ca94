"""What a report tells, as plain values; another metric is another :class:`Measure`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from unlearn.concepts import Vocabulary
from unlearn.encoders import TextImageEncoder
from unlearn.evaluation.neighbours import Neighbour, nearest_neighbours
from unlearn.evaluation.retrieval import RetrievalReport, evaluate_retrieval, find_pictures
from unlearn.evaluation.zero_shot import ZeroShotReport, classify, evaluate_zero_shot
from unlearn.export.record import Record
from unlearn.gallery import Gallery, Picture
from unlearn.trade_off import TradeOffPoint
from unlearn.variants import ORIGINAL

AT_RISK, FOUND, BARS = 6, 6, 6
#: Pictures looked at: the first of this many erased concepts, and of this many that stand closest to them.
ERASED_SHOWN, RISK_SHOWN = 2, 2


@dataclass(frozen=True)
class Measure:
    """One metric: a fraction for each variant, NaN where nothing was measured, over ``n`` cases."""

    name: str
    values: Mapping[str, float]
    n: int


@dataclass(frozen=True, eq=False)
class Look:
    """What each variant sees in one picture: {variant: {label: probability}}, the same labels for all."""

    image: Image.Image
    title: str
    probabilities: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Search:
    """The pictures that each variant finds for a text, best first."""

    query: str
    found: Mapping[str, Sequence[Picture]]


@dataclass(frozen=True, eq=False)
class DrawnPair:
    """The same seeds drawn before and after."""

    prompt: str
    pipeline: str
    before: Sequence[Image.Image]
    after: Sequence[Image.Image]


@dataclass(frozen=True, eq=False)
class Report:
    """Everything on the page. ``link`` is the query of an address that opens the app like this, where there is one."""

    records: Sequence[Record]
    erased: Sequence[str]
    collection: str
    measures: Sequence[Measure]
    at_risk: Sequence[Neighbour]
    looks: Sequence[Look]
    searches: Sequence[Search]
    curves: Sequence[TradeOffPoint] = ()
    drawn: DrawnPair | None = None
    link: str = ""

    @property
    def variants(self) -> tuple[str, ...]:
        """The models compared, the original first."""
        return tuple(self.measures[0].values)


def measure_report(
    variants: Mapping[str, TextImageEncoder],
    records: Sequence[Record],
    collection: Gallery,
    vocabulary: Vocabulary,
    *,
    picture: Picture | None = None,
    curves: Sequence[TradeOffPoint] = (),
    drawn: DrawnPair | None = None,
    link: str = "",
) -> Report:
    """Measure ``variants`` on ``collection`` with the whole ``vocabulary`` offered.

    Args:
        variants: the models compared, the original first under :data:`unlearn.variants.ORIGINAL`.
        records: of the erasures in force.
        collection: labelled pictures that none of them was trained on.
        vocabulary: the labels.
        picture: one to look at before the collection's own.
        curves, drawn, link: what else there is to show, see :class:`Report`.
    """
    erased = tuple(dict.fromkeys(name for record in records for name in record.selection.forget_names))
    others = [name for name in vocabulary.names if name not in erased]
    at_risk = nearest_neighbours(variants[ORIGINAL], erased, others, AT_RISK, vocabulary.templates)
    zero_shot = {
        name: evaluate_zero_shot(
            encoder, collection, forget=erased, classnames=vocabulary.names, templates=vocabulary.templates
        )
        for name, encoder in variants.items()
    }
    recall = {name: evaluate_retrieval(encoder, collection, forget=erased) for name, encoder in variants.items()}
    shown = [picture] if picture else []
    for concept in (*erased[:ERASED_SHOWN], *(neighbour.name for neighbour in at_risk[:RISK_SHOWN])):
        shown += [found for found in collection if found.concept == concept][:1]
    return Report(
        records=records,
        erased=erased,
        collection=collection.name,
        measures=[*_accuracies(zero_shot), *_recalls(recall)],
        at_risk=at_risk,
        looks=[look_at(variants, found, vocabulary, erased) for found in dict.fromkeys(shown)],
        searches=[_search(variants, concept, collection) for concept in erased[:ERASED_SHOWN]],
        curves=curves,
        drawn=drawn,
        link=link,
    )


def look_at(
    variants: Mapping[str, TextImageEncoder], picture: Picture, vocabulary: Vocabulary, erased: Sequence[str]
) -> Look:
    """What ``variants`` see in ``picture``, the most telling labels of ``vocabulary``."""
    image = picture.load()
    seen = {
        name: classify(encoder, image, vocabulary.names, vocabulary.templates) for name, encoder in variants.items()
    }
    leaders = [label for probabilities in seen.values() for label in list(probabilities)[: BARS // len(seen)]]
    own = [picture.concept] if picture.concept in vocabulary.names else list(erased[:1])
    labels = [label for label in dict.fromkeys([*own, *leaders]) if label in seen[ORIGINAL]][:BARS]
    labels.sort(key=lambda label: -seen[ORIGINAL][label])
    title = picture.concept or "the chosen picture"
    return Look(image, title, {name: {label: p[label] for label in labels} for name, p in seen.items()})


def _search(variants: Mapping[str, TextImageEncoder], query: str, collection: Gallery) -> Search:
    found = {
        name: [collection.pictures[hit.index] for hit in find_pictures(encoder, query, collection, FOUND)]
        for name, encoder in variants.items()
    }
    return Search(query, found)


def _accuracies(reports: Mapping[str, ZeroShotReport]) -> list[Measure]:
    def measure(name: str, value: Callable[[ZeroShotReport], float], n: int) -> Measure:
        return Measure(name, {variant: value(report) for variant, report in reports.items()}, n)

    first = next(iter(reports.values()))
    return [
        measure("Top-1 on pictures of erased concepts", lambda report: report.forget.top1, first.forget.n),
        measure("Top-5 on pictures of erased concepts", lambda report: report.forget.top5, first.forget.n),
        measure("Top-1 on all other pictures", lambda report: report.retain.top1, first.retain.n),
        measure("Top-5 on all other pictures", lambda report: report.retain.top5, first.retain.n),
    ]


def _recalls(reports: Mapping[str, RetrievalReport]) -> list[Measure]:
    measures = []
    for direction, what in (("text_to_image", "Text → pictures"), ("image_to_text", "Picture → captions")):
        for part, of in (("forget", "erased"), ("retain", "others")):
            recalls = {variant: getattr(report, direction)[part] for variant, report in reports.items()}
            n = next(iter(recalls.values())).n
            measures.append(Measure(f"{what}, {of}, recall@10", {v: r.at[10] for v, r in recalls.items()}, n))
    return measures
