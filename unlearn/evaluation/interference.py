"""Who is hurt by whom: erase one concept, look at each related one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.selection import Vocabulary
from unlearn.data.gallery import Gallery
from unlearn.evaluation.zero_shot import label_probabilities


@dataclass(frozen=True)
class Interference:
    """Change of what a model sees in a concept's pictures (columns) when another is erased (rows).

    Attributes:
        names: rows and columns.
        probability: change of the own label's mean probability, (names, names); NaN where there are no pictures.
    """

    names: tuple[str, ...]
    probability: Tensor


def measure_interference(
    original: TextImageEncoder,
    erase: Callable[[str], TextImageEncoder],
    gallery: Gallery,
    names: Sequence[str],
    vocabulary: Vocabulary,
) -> Interference:
    """Erase each of ``names`` alone, and look at the pictures of all of them.

    Args:
        original: the model before any edit.
        erase: gives the model without one concept.
        gallery: pictures to look at; more styles tell more, as a concept has few pictures in each.
        names: concepts, related ones to tell anything.
        vocabulary: labels offered.
    """
    among = {name.casefold() for name in names}
    shown = gallery.where(lambda picture: picture.concept.casefold() in among)
    before = _seen(original, shown, vocabulary)
    changes = torch.stack([_seen(erase(name), shown, vocabulary) - before for name in names])
    columns = shown.targets(names)
    sums = torch.zeros(len(names), len(names)).index_add_(1, columns, changes)
    # 0 / 0 is NaN: no pictures.
    return Interference(tuple(names), sums / torch.bincount(columns, minlength=len(names)))


def _seen(model: TextImageEncoder, shown: Gallery, vocabulary: Vocabulary) -> Tensor:
    """The own label's probability of every picture, (n,)."""
    probabilities = label_probabilities(model, model.image_features(shown), vocabulary.names, vocabulary.templates)
    return probabilities.gather(1, shown.targets(vocabulary.names)[:, None])[:, 0]
