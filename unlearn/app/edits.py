"""Values that a session keeps: the visitor's edits and their measurements. The import loads nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from unlearn.caching import Cache
from unlearn.erasers.settings import LIVE
from unlearn.erasers.variants import CLIPERASE

if TYPE_CHECKING:
    from unlearn.app.asked import FineTuneRequest
    from unlearn.attacks.report import AuditReport
    from unlearn.clip.encoders import OpenClipEncoder
    from unlearn.concepts.selection import Selection, Vocabulary
    from unlearn.data.gallery import Gallery
    from unlearn.erasers.erasure import Erasure
    from unlearn.erasers.settings import CCUPSettings, CLIPEraseSettings
    from unlearn.evaluation.geometry import Interference
    from unlearn.sweeps.point import TradeOffPoint


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A finished fine-tuning run: the erasure, and its model, which shares all other weights with the base model.

    Attributes:
        original: the model that was fine-tuned.
        erasure: the erasure at its strength.
        images: the training images, in the form of :class:`unlearn.export.record.Record`.
        learned_own: whether the training images may include the visitor's own.
        beside: the CCUP edit of the same file, in the panel's settings, if the file held both edits.
        asked: the request behind the run; None if the edit came from a file.
        strengths: the latest strengths of this run, so that the embeddings at each stay known.
    """

    original: OpenClipEncoder
    erasure: Erasure[CLIPEraseSettings]
    images: str = ""
    learned_own: bool = False
    beside: Erasure[CCUPSettings] | None = None
    asked: FineTuneRequest | None = None
    strengths: Cache[FineTuned] = field(default_factory=lambda: Cache(most=4))

    @cached_property
    def encoder(self) -> OpenClipEncoder:
        """The fine-tuned model at the erasure's strength."""
        return self.erasure.fine_tuned(self.original)

    @property
    def follows_strength(self) -> bool:
        """Whether another strength needs no image encoded again, so that the slider can move this edit too."""
        return self.erasure.settings.trainable in LIVE

    def at(self, strength: float) -> FineTuned:
        """Return the run at another strength; the run itself if the slider cannot move it."""
        own = self.strengths.get(self.erasure.settings.strength, lambda: self)
        if not self.follows_strength:
            return own
        return self.strengths.get(strength, lambda: replace(self, erasure=self.erasure.at(strength)))

    def is_run_of(self, other: FineTuned | None) -> bool:
        """Return whether ``other`` is the same run, at any strength."""
        return other is not None and other.strengths is self.strengths

    @property
    def forget_names(self) -> tuple[str, ...]:
        return self.erasure.selection.forget_names

    @property
    def title(self) -> str:
        """The method and what it erased, for legends: “CLIPErase (dog and 2 more)”."""
        return f"{CLIPERASE} ({_shortened(self.forget_names)})"

    def moved_on(self, forget: Sequence[str]) -> str:
        """Return a sentence if the concepts to erase, ``forget``, are no longer those of this run; else ""."""
        if not forget or set(forget) == set(self.forget_names):
            return ""
        return (
            f"CLIPErase erased “{_shortened(self.forget_names)}”, and the list has moved on to “{_shortened(forget)}”: "
            "start it again for that, or undo its run."
        )


def _shortened(names: Sequence[str]) -> str:
    first, *others = names
    return f"{first} and {len(others)} more" if others else first


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

    report: AuditReport
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
