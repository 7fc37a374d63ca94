"""Neighbours: the retained concepts closest to the erased ones, and so most at risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from unlearn.clip.embeddings import finite_or_last
from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.selection import Vocabulary


@dataclass(frozen=True)
class Neighbour:
    """A retained concept, the erased concept close to it, and their cosine after subtracting the vocabulary's mean."""

    name: str
    of: str
    similarity: float


def nearest_neighbours(
    encoder: TextImageEncoder, forget: Sequence[str], vocabulary: Vocabulary, k: int = 6
) -> list[Neighbour]:
    """Return the ``k`` words of ``vocabulary`` closest to any of ``forget``, closest first, without ``forget``.

    Text embeddings share a large mean; only after subtracting it does the cosine separate related from unrelated words.
    """
    candidates, templates = vocabulary.without(forget), vocabulary.templates
    texts = encoder.text_features(candidates, templates)
    mean = texts.mean(dim=0)
    centred = F.normalize(texts - mean, dim=-1)
    erased = F.normalize(encoder.text_features(tuple(forget), templates) - mean, dim=-1)
    score, closest = finite_or_last(centred @ erased.T).max(dim=1)
    order = torch.argsort(score, descending=True)[:k].tolist()
    return [Neighbour(candidates[i], forget[int(closest[i])], float(score[i])) for i in order]
