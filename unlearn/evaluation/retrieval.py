"""Retrieval in both directions: images for a text, captions for an image, and recall@k."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn.clip.embeddings import finite_or_last, says_nothing, similarity
from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.prompts import VERBATIM
from unlearn.data.gallery import Gallery

KS = (1, 5, 10)


@dataclass(frozen=True)
class Hit:
    """A search result: its index in the collection and its cosine with the query."""

    index: int
    score: float


def rank(query: Tensor, collection: Tensor, k: int) -> list[Hit]:
    """Return the ``k`` rows of ``collection`` (n, d) most similar to ``query`` (d,); see :func:`best`."""
    return best(similarity(query[None], collection)[0], torch.arange(len(collection)), k)


def best(scores: Tensor, rows: Tensor, k: int) -> list[Hit]:
    """Return the ``k`` of ``rows`` (n,) with the highest ``scores`` (n,), best first; none for undefined scores."""
    scores = finite_or_last(scores)
    if says_nothing(scores):
        return []
    top = scores.topk(min(k, len(scores)))
    return [Hit(int(rows[i]), float(score)) for score, i in zip(top.values, top.indices, strict=True)]


def find_images(
    encoder: TextImageEncoder, text: str, gallery: Gallery, templates: Sequence[str], k: int = 8
) -> list[Hit]:
    """Find images of ``gallery`` for ``text``; a bare word is put into the templates, as a class name is."""
    return rank(encoder.text_features([text], templates)[0], encoder.image_features(gallery), k)


def find_captions(encoder: TextImageEncoder, features: Tensor, captions: Sequence[str], k: int = 8) -> list[Hit]:
    """Find captions for one image's embedding ``features`` (d,)."""
    return rank(features, encoder.text_features(captions, VERBATIM), k)


@dataclass(frozen=True)
class Recall:
    """recall@k for each k of :data:`KS`, as fractions of ``n`` queries; NaN where n is 0."""

    at: dict[int, float]
    n: int


def recall_at(scores: Tensor, relevant: Tensor) -> Recall:
    """Return the share of queries with a relevant item among the first k.

    Args:
        scores: (queries, items).
        relevant: (queries, items), bool; a query without any relevant item is a miss.
    """
    n = len(scores)
    if n == 0:
        return Recall({k: float("nan") for k in KS}, 0)
    ranks = relevant_ranks(scores, relevant)
    return Recall({k: float((ranks < k).float().mean()) for k in KS}, n)


def relevant_ranks(scores: Tensor, relevant: Tensor) -> Tensor:
    """Return the rank, from 0, of each query's best relevant item, (queries,); without one, a rank behind all items."""
    scores = finite_or_last(scores)
    best = scores.masked_fill(~relevant, -torch.inf).amax(dim=1, keepdim=True)
    # Irrelevant items that score at least as high come first: ties count against the model.
    before = ((scores >= best) & ~relevant).sum(dim=1)
    return before.masked_fill(~relevant.any(dim=1), scores.shape[1] + max(KS))


@dataclass(frozen=True)
class RetrievalReport:
    """recall@k in both directions, on the erased concepts and on the others."""

    text_to_image: dict[str, Recall]
    image_to_text: dict[str, Recall]


@dataclass(frozen=True)
class Search:
    """Queries against items: cosines and relevance (queries, items), and which queries are of erased concepts."""

    scores: Tensor
    relevant: Tensor
    forgotten: Tensor

    @property
    def recall(self) -> dict[str, Recall]:
        """Return recall@k on the erased concepts and on the others."""
        parts = {"forget": self.forgotten, "retain": ~self.forgotten}
        return {part: recall_at(self.scores[rows], self.relevant[rows]) for part, rows in parts.items()}


def search_both_ways(encoder: TextImageEncoder, gallery: Gallery, *, forget: Collection[str] = ()) -> dict[str, Search]:
    """Query ``gallery`` with each of its captions and each of its images; items of the same concept are relevant."""
    concept_of = {p.caption: p.concept for p in gallery}
    captions = tuple(concept_of)
    ids = {name: i for i, name in enumerate(gallery.concepts)}
    texts = torch.tensor([ids[concept] for concept in concept_of.values()])
    images = torch.tensor([ids[p.concept] for p in gallery])
    scores = similarity(encoder.text_features(captions, VERBATIM), encoder.image_features(gallery))
    relevant = texts[:, None] == images
    erased = {name.casefold() for name in forget}
    forgotten = torch.tensor([name.casefold() in erased for name in gallery.concepts])
    return {
        "text_to_image": Search(scores, relevant, forgotten[texts]),
        "image_to_text": Search(scores.T, relevant.T, forgotten[images]),
    }


def evaluate_retrieval(encoder: TextImageEncoder, gallery: Gallery, *, forget: Collection[str] = ()) -> RetrievalReport:
    """Measure recall@k in ``gallery``, in both directions."""
    found = {
        direction: search.recall for direction, search in search_both_ways(encoder, gallery, forget=forget).items()
    }
    return RetrievalReport(**found)
