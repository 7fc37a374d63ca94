"""What the services answer: plain values for charts, markup and JSON. Importing it loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.concepts.selection import Vocabulary
    from unlearn.data.gallery import Gallery, Picture
    from unlearn.erasers.erasure import Erasure
    from unlearn.erasers.settings import CCUPSettings
    from unlearn.evaluation.interference import Interference
    from unlearn.evaluation.neighbours import Neighbour
    from unlearn.evaluation.zero_shot import Accuracy
    from unlearn.sweeps.trade_off import TradeOffPoint


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


@dataclass(frozen=True)
class TradeOff:
    """The measured curves, what they are of, and what its concepts do to each other, each erased alone and whole."""

    model: str
    vocabulary: Vocabulary
    erasure: Erasure[CCUPSettings]
    collection: Gallery
    by_strength: tuple[TradeOffPoint, ...]
    by_count: tuple[TradeOffPoint, ...]
    interference: Interference

    def belongs_to(
        self, model: str, vocabulary: Vocabulary, erasure: Erasure[CCUPSettings], collection: Gallery
    ) -> bool:
        """Whether these are the curves of ``erasure``, whatever its strength and form, on ``collection``."""
        return (
            (model, vocabulary) == (self.model, self.vocabulary)
            and collection is self.collection
            and erasure.selection == self.erasure.selection
            and _beside_curves(erasure) == _beside_curves(self.erasure)
        )


def _beside_curves(erasure: Erasure[CCUPSettings]) -> CCUPSettings:
    """The settings of ``erasure``, with the defaults for those that the curves run through."""
    # A form that takes every side.
    return replace(erasure.settings, strength=1.0, form="consistent")
