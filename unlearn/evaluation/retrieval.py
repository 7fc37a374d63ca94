"""Retrieval in both directions: pictures for a text, captions for a picture, and recall@k."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn.encoders import TextImageEncoder, class_embeddings, similarity
from unlearn.gallery import Gallery, image_features

KS = (1, 5, 10)


@dataclass(frozen=True)
class Hit:
    """One found thing: its index in the collection and its cosine with the query."""

    index: int
    score: float


def rank(query: Tensor, collection: Tensor, k: int) -> list[Hit]:
    """The ``k`` rows of ``collection`` (n, d) most similar to ``query`` (d,), best first."""
    scores, order = similarity(query[None], collection)[0].topk(min(k, len(collection)))
    return [Hit(int(i), float(s)) for s, i in zip(scores, order, strict=True)]


def find_pictures(encoder: TextImageEncoder, text: str, gallery: Gallery, k: int = 8) -> list[Hit]:
    """Pictures of ``gallery`` for ``text``; a bare word is put into the templates, as a class is."""
    return rank(class_embeddings(encoder, [text])[0], image_features(encoder, gallery), k)


def find_captions(encoder: TextImageEncoder, features: Tensor, captions: Sequence[str], k: int = 8) -> list[Hit]:
    """Captions for one picture's embedding ``features`` (d,)."""
    return rank(features, class_embeddings(encoder, captions, ("{}",)), k)


@dataclass(frozen=True)
class Recall:
    """recall@k for each k of :data:`KS`, as fractions of ``n`` queries; NaN where n is 0."""

    at: dict[int, float]
    n: int


def recall_at(scores: Tensor, relevant: Tensor) -> Recall:
    """Share of queries with a relevant item among the first k.

    Args:
        scores: (queries, items).
        relevant: (queries, items), bool; a query without any relevant item is a miss.
    """
    n = len(scores)
    if n == 0:
        return Recall({k: float("nan") for k in KS}, 0)
    best = scores.masked_fill(~relevant, -torch.inf).amax(dim=1, keepdim=True)
    # Items that are not relevant and score at least as high stand before it: ties count against the model.
    before = ((scores >= best) & ~relevant).sum(dim=1)
    found = relevant.any(dim=1)
    return Recall({k: float(((before < k) & found).float().mean()) for k in KS}, n)


@dataclass(frozen=True)
class RetrievalReport:
    """recall@k in both directions, on the erased concepts and on the others."""

    text_to_image: dict[str, Recall]
    image_to_text: dict[str, Recall]


def evaluate_retrieval(encoder: TextImageEncoder, gallery: Gallery, *, forget: Collection[str] = ()) -> RetrievalReport:
    """Query ``gallery`` with each of its captions and each of its pictures; the same concept is relevant."""
    captions = tuple(dict.fromkeys(gallery.captions))
    concept_of = {p.caption: p.concept for p in gallery}
    text_concepts = [concept_of[caption] for caption in captions]
    ids = {name: i for i, name in enumerate(gallery.concepts)}
    text_ids = torch.tensor([ids[name] for name in text_concepts])
    image_ids = torch.tensor([ids[p.concept] for p in gallery])
    scores = similarity(class_embeddings(encoder, captions, ("{}",)), image_features(encoder, gallery))
    relevant = text_ids[:, None] == image_ids
    forgotten_names = {name.casefold() for name in forget}
    forgotten = torch.tensor([name.casefold() in forgotten_names for name in gallery.concepts])
    text_forgotten, image_forgotten = forgotten[text_ids], forgotten[image_ids]
    return RetrievalReport(
        text_to_image={
            "forget": recall_at(scores[text_forgotten], relevant[text_forgotten]),
            "retain": recall_at(scores[~text_forgotten], relevant[~text_forgotten]),
        },
        image_to_text={
            "forget": recall_at(scores.T[image_forgotten], relevant.T[image_forgotten]),
            "retain": recall_at(scores.T[~image_forgotten], relevant.T[~image_forgotten]),
        },
    )
