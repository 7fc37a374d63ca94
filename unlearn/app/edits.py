"""What a session keeps of a visitor's edits and of what was measured of them. Importing it loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from unlearn.erasers.variants import FINE_TUNED

if TYPE_CHECKING:
    from unlearn.attacks.finding import Report
    from unlearn.clip.encoders import OpenClipEncoder
    from unlearn.concepts.selection import Selection, Vocabulary
    from unlearn.data.gallery import Gallery
    from unlearn.erasers.erasure import Erasure
    from unlearn.erasers.settings import CCUPSettings, CLIPEraseSettings
    from unlearn.evaluation.interference import Interference
    from unlearn.sweeps.trade_off import TradeOffPoint


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A finished run: the erasure, and the model it makes, which shares all other weights with the base model.

    Attributes:
        pictures: what it learned from, as :class:`unlearn.export.record.Record` has it.
        learned_own: whether pictures of the visitor's may have been among those.
        beside: CCUP as the panel asks for it, of a file that held both.
    """

    erasure: Erasure[CLIPEraseSettings]
    encoder: OpenClipEncoder
    pictures: str = ""
    learned_own: bool = False
    beside: Erasure[CCUPSettings] | None = None

    @property
    def base(self) -> str:
        """The name of the model that was fine-tuned."""
        return self.encoder.name.removesuffix(FINE_TUNED)

    @property
    def forget_names(self) -> tuple[str, ...]:
        return self.erasure.selection.forget_names


@dataclass(frozen=True)
class Edits:
    """What was edited and how: equal where two sessions would show the same models.

    CCUP's matrices are not compared; what was asked for makes them.
    """

    model: str
    vocabulary: Vocabulary | None
    closed_form: tuple[Selection, CCUPSettings] | None
    fine_tuned: FineTuned | None


class Edited(Protocol):
    """What an audit is of: a session, as far as it matters."""

    @property
    def edits(self) -> Edits: ...
    @property
    def own_pictures(self) -> Gallery | None: ...


@dataclass(frozen=True, eq=False)
class Audited:
    """A finished audit, the edits that it was of, and the visitor's pictures, where it used them."""

    report: Report
    edits: Edits
    pictures: Gallery | None

    def is_of(self, session: Edited) -> bool:
        """Whether edits and pictures are still those of ``session``."""
        return self.edits == session.edits and self.pictures is session.own_pictures


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
