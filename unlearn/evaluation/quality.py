"""What one edit does to what a model knows: everything that is measured of it, with intervals, on the same pictures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn.concepts import Vocabulary
from unlearn.encoders import TextImageEncoder, class_embeddings, similarity
from unlearn.evaluation.intervals import Change, change
from unlearn.evaluation.retrieval import KS, relevant_ranks, search_both_ways
from unlearn.evaluation.zero_shot import evaluate_zero_shot, ranks_among_few
from unlearn.gallery import Gallery, image_features

PARTS = ("forget", "retain")


@dataclass(frozen=True)
class Quality:
    """An edit before and after, on erased concepts (``"forget"``) and on all others (``"retain"``); fractions.

    Attributes:
        top1, top5: zero-shot accuracy, all labels offered, by part.
        among_few: accuracy on the erased where each label has only four others beside it; chance is 0.2.
        recall: of retrieval, by direction (``"text_to_image"``, ``"image_to_text"``), part and k.
        similarity: cosine of each picture with its own label's text, by part.
    """

    top1: dict[str, Change]
    top5: dict[str, Change]
    among_few: Change
    recall: dict[str, dict[str, dict[int, Change]]]
    similarity: dict[str, Change]

    @property
    def harmonic_mean(self) -> float:
        """Of forgetting and retention, see :func:`harmonic_mean`."""
        forget, retain = self.top1["forget"], self.top1["retain"]
        return harmonic_mean(forget.after.mean, retain.before.mean, retain.after.mean)


def harmonic_mean(forget: float, retain_before: float, retain: float) -> float:
    """Harmonic mean of 1 − ``forget`` and of the share of ``retain_before`` that is left, at most 1; 0 is worst."""
    forgetting, retention = 1 - forget, min(1.0, retain / retain_before)
    return 2 * forgetting * retention / (forgetting + retention) if forgetting + retention else 0.0


def evaluate_edit(
    original: TextImageEncoder,
    edited: TextImageEncoder,
    gallery: Gallery,
    *,
    forget: Collection[str],
    vocabulary: Vocabulary,
    seed: int = 0,
) -> Quality:
    """Measure ``edited`` beside ``original`` on ``gallery``.

    Args:
        original: the model before the edit.
        edited: the model after it.
        gallery: pictures; those of a concept that ``vocabulary`` has no label for are left out.
        forget: what was to be erased.
        vocabulary: labels offered, erased ones included.
        seed: of the intervals, and of the labels drawn for ``among_few``.
    """
    offered = {name.casefold() for name in vocabulary.names}
    known = offered.issuperset(name.casefold() for name in gallery.concepts)
    # The gallery itself where that is possible: its pictures have been encoded before.
    shown = gallery if known else gallery.where(lambda picture: picture.concept.casefold() in offered)
    erased = {name.casefold() for name in forget}
    forgotten = torch.tensor([picture.concept.casefold() in erased for picture in shown], dtype=torch.bool)
    parts = {"forget": forgotten, "retain": ~forgotten}
    models = (original, edited)

    ranks = [
        evaluate_zero_shot(model, shown, classnames=vocabulary.names, templates=vocabulary.templates).ranks
        for model in models
    ]
    few = [_among_few(model, shown, vocabulary, forgotten, seed) for model in models]
    own = [_own_similarity(model, shown, vocabulary) for model in models]
    return Quality(
        top1={part: _compare(ranks, 1, rows, seed) for part, rows in parts.items()},
        top5={part: _compare(ranks, 5, rows, seed) for part, rows in parts.items()},
        among_few=change(*few, seed=seed),
        recall=_recall(models, shown, erased, seed),
        similarity={part: change(own[0][rows], own[1][rows], seed=seed) for part, rows in parts.items()},
    )


def _compare(ranks: Sequence[Tensor], k: int, rows: Tensor, seed: int) -> Change:
    before, after = ((rank[rows] < k) for rank in ranks)
    return change(before, after, seed=seed)


def _among_few(model: TextImageEncoder, shown: Gallery, vocabulary: Vocabulary, forgotten: Tensor, seed: int) -> Tensor:
    images, targets = image_features(model, shown)[forgotten], shown.targets(vocabulary.names)[forgotten]
    classes = class_embeddings(model, vocabulary.names, vocabulary.templates)
    return ranks_among_few(images, classes, targets, seed=seed) < 1


def _own_similarity(model: TextImageEncoder, shown: Gallery, vocabulary: Vocabulary) -> Tensor:
    texts = class_embeddings(model, shown.concepts, vocabulary.templates)
    images, targets = image_features(model, shown), shown.targets(shown.concepts)
    return similarity(images, texts).gather(1, targets[:, None])[:, 0]


def _recall(
    models: Sequence[TextImageEncoder], shown: Gallery, erased: Collection[str], seed: int
) -> dict[str, dict[str, dict[int, Change]]]:
    searches = [search_both_ways(model, shown, forget=erased) for model in models]
    found: dict[str, dict[str, dict[int, Change]]] = {}
    for direction, before in searches[0].items():
        ranks = [relevant_ranks(search[direction].scores, search[direction].relevant) for search in searches]
        rows = {"forget": before.forgotten, "retain": ~before.forgotten}
        found[direction] = {part: {k: _compare(ranks, k, rows[part], seed) for k in KS} for part in PARTS}
    return found
