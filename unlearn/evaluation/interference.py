"""Who is hurt by whom: erase one concept, look at each related one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn.concepts import Vocabulary
from unlearn.encoders import TextImageEncoder
from unlearn.evaluation.zero_shot import label_probabilities
from unlearn.gallery import Gallery, image_features


@dataclass(frozen=True)
class Interference:
    """Change of what a model sees in a concept's pictures (columns) when another is erased (rows).

    Attributes:
        names: rows and columns.
        probability: change of the own label's mean probability, (names, names); NaN where there are no pictures.
        top1: change of the share of pictures whose own label comes first, (names, names).
        counts: pictures of each column.
    """

    names: tuple[str, ...]
    probability: Tensor
    top1: Tensor
    counts: tuple[int, ...]


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
    columns = shown.targets(names)
    before = _seen(original, shown, vocabulary)
    rows = [
        [now - then for now, then in zip(_seen(erase(name), shown, vocabulary), before, strict=True)] for name in names
    ]
    counts = torch.bincount(columns, minlength=len(names))
    probability, top1 = (_by_column([row[i] for row in rows], columns, counts) for i in (0, 1))
    return Interference(tuple(names), probability, top1, tuple(counts.tolist()))


def _seen(model: TextImageEncoder, shown: Gallery, vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    """The own label's probability, and whether it comes first, of every picture, (n,) each."""
    probabilities = label_probabilities(model, image_features(model, shown), vocabulary.names, vocabulary.templates)
    targets = shown.targets(vocabulary.names)
    own = probabilities.gather(1, targets[:, None])
    first = (probabilities >= own).sum(dim=1) == 1  # a tie counts against the label
    return own[:, 0], first.float()


def _by_column(rows: Sequence[Tensor], columns: Tensor, counts: Tensor) -> Tensor:
    sums = torch.stack([torch.zeros(len(counts)).index_add_(0, columns, row) for row in rows])
    return sums / counts  # 0 / 0 is NaN: no pictures
