"""Results of the services: plain values for charts, markup and JSON. The import loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.concepts.other_names import Unknown
    from unlearn.data.gallery import GalleryImage
    from unlearn.evaluation.neighbours import Neighbour
    from unlearn.evaluation.zero_shot import Accuracy


@dataclass(frozen=True)
class ModelFacts:
    """The active model and words: device, millions of parameters, and the diffusion pipelines that use the model."""

    name: str
    device: str
    millions: float
    drives: tuple[str, ...]
    words: int


@dataclass(frozen=True)
class SplitAccuracy:
    """Zero-shot accuracy on images of erased concepts and on all others."""

    forget: Accuracy
    retain: Accuracy


@dataclass(frozen=True)
class Summary:
    """Cost of the current edit by variant, and the retained concepts closest to the erased ones.

    Attributes:
        notices: sentences about the edit, without those about ``unknown``.
        at_risk: closest first; none are known for words that are not in the vocabulary.
        unknown: erased words that no image is labelled with, and the concepts that each may mean.
    """

    notices: tuple[str, ...]
    at_risk: tuple[Neighbour, ...]
    accuracy: dict[str, SplitAccuracy]
    unknown: tuple[Unknown, ...] = ()


@dataclass(frozen=True)
class Called:
    """What the unedited model calls the visitor's images of ``concept``.

    Attributes:
        named: number of the ``n`` images whose own label comes first.
        others: the labels that come first for the other images, most frequent first.
    """

    concept: str
    named: int
    n: int
    others: tuple[str, ...]


@dataclass(frozen=True)
class LabelView:
    """Probabilities of an image's main labels, {variant: {label: probability}}, and all candidate labels."""

    probabilities: dict[str, dict[str, float]]
    labels: Sequence[str]


@dataclass(frozen=True)
class FoundImage:
    """An image found for a query, and its cosine with the query.

    An image from an index has no concept; its ``source`` is its path within the index's folder.
    """

    image: GalleryImage
    score: float


@dataclass(frozen=True)
class Hits:
    """Images that a variant found for a query, best first; or a sentence with the reason why it found none."""

    images: tuple[FoundImage, ...] = ()
    unanswered: str = ""


@dataclass(frozen=True)
class FoundCaption:
    """A caption found for an image, its concept, and its cosine with the image."""

    caption: str
    concept: str
    score: float


@dataclass(frozen=True)
class Geometry:
    """Mean image–text cosines of a few concepts by variant: (names, names), with images as rows."""

    names: tuple[str, ...]
    similarity: dict[str, Tensor]

    @property
    def largest(self) -> float:
        """Return the largest absolute cosine over all variants."""
        return max(float(matrix.nan_to_num().abs().max()) for matrix in self.similarity.values())
