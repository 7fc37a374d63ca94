"""What the services answer: plain values for charts, markup and JSON. Importing it loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.data.gallery import Picture
    from unlearn.evaluation.neighbours import Neighbour
    from unlearn.evaluation.zero_shot import Accuracy


@dataclass(frozen=True)
class ModelFacts:
    """The model and the words in use: where it runs, its millions of parameters, the diffusion pipelines it drives."""

    name: str
    device: str
    millions: float
    drives: tuple[str, ...]
    words: int


@dataclass(frozen=True)
class SplitAccuracy:
    """Zero-shot accuracy on pictures of erased concepts and on all others."""

    forget: Accuracy
    retain: Accuracy


@dataclass(frozen=True)
class Summary:
    """What the current edit costs, by variant, and which retained concepts stand closest to the erased ones."""

    notices: tuple[str, ...]
    at_risk: tuple[Neighbour, ...]
    accuracy: dict[str, SplitAccuracy]


@dataclass(frozen=True)
class LabelView:
    """Probabilities of a picture's telling labels, {variant: {label: probability}}; ``offered`` labels competed."""

    probabilities: dict[str, dict[str, float]]
    offered: int


@dataclass(frozen=True)
class FoundPicture:
    """A picture that answered a query, and its cosine with it.

    One of an index has no concept; its ``source`` is its path within the folder of the index.
    """

    picture: Picture
    score: float


@dataclass(frozen=True)
class Found:
    """What a variant found for a query, best first; or, in a sentence, why it could not be asked."""

    pictures: tuple[FoundPicture, ...] = ()
    unanswered: str = ""


@dataclass(frozen=True)
class FoundCaption:
    """A caption that answered a picture, the concept it speaks of, and its cosine with the picture."""

    caption: str
    concept: str
    score: float


@dataclass(frozen=True)
class Geometry:
    """Mean picture–text cosines of a few concepts, (names, names) with pictures as rows, by variant."""

    names: tuple[str, ...]
    similarity: dict[str, Tensor]

    @property
    def largest(self) -> float:
        """The largest cosine of any variant, without its sign."""
        return max(float(matrix.nan_to_num().abs().max()) for matrix in self.similarity.values())
