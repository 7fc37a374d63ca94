"""Which retained concepts stand closest to what is erased, and so are most at risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from unlearn.clip.encoders import TextImageEncoder, finite_or_last
from unlearn.concepts.selection import Vocabulary


@dataclass(frozen=True)
class Neighbour:
    """A retained concept, the erased concept it is close to, and their cosine about the vocabulary's mean."""

    name: str
    of: str
    similarity: float


def nearest_neighbours(
    encoder: TextImageEncoder, forget: Sequence[str], vocabulary: Vocabulary, k: int = 6
) -> list[Neighbour]:
    """The ``k`` words of ``vocabulary`` closest to any of ``forget``, closest first; those of ``forget`` are none.

    Text embeddings share a large mean; about that mean the cosine tells relatives from strangers.
    """
    candidates, templates = vocabulary.without(forget), vocabulary.templates
    texts = encoder.text_features(candidates, templates)
    mean = texts.mean(dim=0)
    centred = F.normalize(texts - mean, dim=-1)
    erased = F.normalize(encoder.text_features(tuple(forget), templates) - mean, dim=-1)
    score, closest = finite_or_last(centred @ erased.T).max(dim=1)
    order = torch.argsort(score, descending=True)[:k].tolist()
    return [Neighbour(candidates[i], forget[int(closest[i])], float(score[i])) for i in order]
