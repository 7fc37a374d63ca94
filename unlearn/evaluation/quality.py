"""Full measurement of one edit: every metric before and after it, on the same images."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.selection import Vocabulary
from unlearn.data.gallery import Gallery
from unlearn.evaluation.intervals import Compared
from unlearn.evaluation.retrieval import KS, relevant_ranks, search_both_ways
from unlearn.evaluation.zero_shot import evaluate_zero_shot, first_among_few

PARTS = ("forget", "retain")


@dataclass(frozen=True)
class Quality:
    """Metrics before and after an edit on erased concepts (``"forget"``) and all others (``"retain"``), image by image.

    Attributes:
        top1, top5: zero-shot accuracy, all labels offered, by part.
        among_few: accuracy on the erased concepts with four wrong labels beside the right one, averaged over all draws;
            chance is 0.2.
        recall: of retrieval, by direction (``"text_to_image"``, ``"image_to_text"``), part and k.
        similarity: cosine of each image with its own label's text, by part.
    """

    top1: dict[str, Compared]
    top5: dict[str, Compared]
    among_few: Compared
    recall: dict[str, dict[str, dict[int, Compared]]]
    similarity: dict[str, Compared]

    @property
    def harmonic_mean(self) -> float:
        """Harmonic mean of forgetting and retention, see :func:`harmonic_mean`."""
        return harmonic_mean(self.top1["forget"].means[1], *self.top1["retain"].means)


def harmonic_mean(forget: float, retain_before: float, retain: float) -> float:
    """Return the harmonic mean of 1 − ``forget`` and the share of ``retain_before`` left, at most 1; 0 is worst.

    NaN if one of the two was not measured, or if there was nothing to retain.
    """
    if math.isnan(forget + retain_before + retain) or not retain_before:
        return math.nan
    forgetting, retention = 1 - forget, min(1.0, retain / retain_before)
    return 2 * forgetting * retention / (forgetting + retention) if forgetting + retention else 0.0


def evaluate_edit(
    original: TextImageEncoder,
    edited: TextImageEncoder,
    gallery: Gallery,
    *,
    forget: Collection[str],
    vocabulary: Vocabulary,
) -> Quality:
    """Measure ``edited`` beside ``original`` on ``gallery``.

    Args:
        original: the model before the edit.
        edited: the model after it.
        gallery: images; those of a concept that ``vocabulary`` has no label for are left out.
        forget: what was to be erased.
        vocabulary: labels offered, erased ones included.
    """
    offered = {name.casefold() for name in vocabulary.names}
    known = offered.issuperset(name.casefold() for name in gallery.concepts)
    # Uses the gallery itself if possible, since its images have been encoded already.
    shown = gallery if known else gallery.where(lambda image: image.concept.casefold() in offered)
    erased = {name.casefold() for name in forget}
    forgotten = torch.tensor([image.concept.casefold() in erased for image in shown], dtype=torch.bool)
    parts = {"forget": forgotten, "retain": ~forgotten}
    models = (original, edited)

    ranks = [evaluate_zero_shot(model, shown, vocabulary=vocabulary).ranks for model in models]
    few = [first_among_few(rank[forgotten], len(vocabulary.names)) for rank in ranks]
    own = [_own_similarity(model, shown, vocabulary) for model in models]
    return Quality(
        top1={part: _compare(ranks, 1, rows) for part, rows in parts.items()},
        top5={part: _compare(ranks, 5, rows) for part, rows in parts.items()},
        among_few=Compared(*few),
        recall=_recall(models, shown, erased),
        similarity={part: Compared(own[0][rows], own[1][rows]) for part, rows in parts.items()},
    )


def _compare(ranks: Sequence[Tensor], k: int, rows: Tensor) -> Compared:
    return Compared(*(rank[rows] < k for rank in ranks))


def _own_similarity(model: TextImageEncoder, shown: Gallery, vocabulary: Vocabulary) -> Tensor:
    texts = model.text_features(shown.concepts, vocabulary.templates)[shown.targets(shown.concepts)]
    # The plain product: an erased embedding of zero gives 0, which is a valid measurement; NO_SIMILARITY only sorts it
    # last in a search.
    return (model.image_features(shown) * texts).sum(dim=1)


def _recall(
    models: Sequence[TextImageEncoder], shown: Gallery, erased: Collection[str]
) -> dict[str, dict[str, dict[int, Compared]]]:
    searches = [search_both_ways(model, shown, forget=erased) for model in models]
    found: dict[str, dict[str, dict[int, Compared]]] = {}
    for direction, before in searches[0].items():
        ranks = [relevant_ranks(search[direction].scores, search[direction].relevant) for search in searches]
        rows = {"forget": before.forgotten, "retain": ~before.forgotten}
        found[direction] = {part: {k: _compare(ranks, k, rows[part]) for k in KS} for part in PARTS}
    return found
