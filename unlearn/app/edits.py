"""Values that a session keeps: the visitor's edits and their measurements. The import loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from unlearn.erasers.variants import FINE_TUNED

if TYPE_CHECKING:
    from unlearn.app.asked import FineTuneRequest
    from unlearn.attacks.report import Report
    from unlearn.clip.encoders import OpenClipEncoder
    from unlearn.concepts.selection import Selection, Vocabulary
    from unlearn.data.gallery import Gallery
    from unlearn.erasers.erasure import Erasure
    from unlearn.erasers.settings import CCUPSettings, CLIPEraseSettings
    from unlearn.evaluation.interference import Interference
    from unlearn.sweeps.trade_off import TradeOffPoint


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A finished fine-tuning run: the erasure, and its model, which shares all other weights with the base model.

    Attributes:
        images: the training images, in the form of :class:`unlearn.export.record.Record`.
        learned_own: whether the training images may include the visitor's own.
        beside: the CCUP edit of the same file, in the panel's settings, if the file held both edits.
        asked: the request behind the run; None if the edit came from a file.
    """

    erasure: Erasure[CLIPEraseSettings]
    encoder: OpenClipEncoder
    images: str = ""
    learned_own: bool = False
    beside: Erasure[CCUPSettings] | None = None
    asked: FineTuneRequest | None = None

    @property
    def base(self) -> str:
        """The name of the model that was fine-tuned."""
        return self.encoder.name.removesuffix(FINE_TUNED)

    @property
    def forget_names(self) -> tuple[str, ...]:
        return self.erasure.selection.forget_names


@dataclass(frozen=True)
class Edits:
    """The edits and their settings; two sessions that would show the same models have equal edits.

    CCUP's matrices are not compared, as the settings determine them.
    """

    model: str
    vocabulary: Vocabulary | None
    closed_form: tuple[Selection, CCUPSettings] | None
    fine_tuned: FineTuned | None


class Edited(Protocol):
    """Subject of an audit: the parts of a session that affect its result."""

    @property
    def edits(self) -> Edits: ...
    @property
    def own_images(self) -> Gallery | None: ...


@dataclass(frozen=True, eq=False)
class Audited:
    """A finished audit, the edits it attacked, and the visitor's images, if it used them."""

    report: Report
    edits: Edits
    images: Gallery | None

    def is_of(self, session: Edited) -> bool:
        """Return whether edits and images are still those of ``session``."""
        return self.edits == session.edits and self.images is session.own_images


@dataclass(frozen=True)
class TradeOff:
    """The measured curves, the erasure they describe, and the interference among its concepts, each erased alone."""

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
        """Return whether these are the curves of ``erasure``, at any strength and in any form, on ``collection``."""
        return (
            (model, vocabulary) == (self.model, self.vocabulary)
            and collection is self.collection
            and erasure.selection == self.erasure.selection
            and _beside_curves(erasure) == _beside_curves(self.erasure)
        )


def _beside_curves(erasure: Erasure[CCUPSettings]) -> CCUPSettings:
    """Return the settings of ``erasure``, with defaults for the settings that vary along the curves."""
    # The consistent form accepts every side.
    return replace(erasure.settings, strength=1.0, form="consistent")
