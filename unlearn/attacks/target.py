"""What is attacked: a concept that was erased from a model, and the pictures that an attacker has of it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property

from unlearn.attacks.split import Split
from unlearn.attacks.white_box import WhiteBox
from unlearn.clip.encoders import EditedEncoder, TextImageEncoder
from unlearn.concepts.selection import Concept, Vocabulary, surface_forms
from unlearn.data.gallery import Gallery
from unlearn.erasers.baselines import random_directions
from unlearn.errors import PictureError
from unlearn.jobs import Progress

#: Views of every training picture beside itself.
COPIES = 4


@dataclass(frozen=True, eq=False)
class AttackTarget:
    """A concept that was erased from a model, and what an attacker has: the edited model and some pictures.

    Attributes:
        concept: what was erased.
        original: the model before the edit.
        edited: the same after it.
        training: pictures that the attacker may learn from.
        test: pictures that an attack is measured on, none of those.
        vocabulary: the labels in use.
        seed: of all that an attack draws.

    Raises:
        PictureError: there is no picture of the concept to attack with, or none to measure on.
    """

    concept: Concept
    original: TextImageEncoder
    edited: TextImageEncoder
    training: Gallery
    test: Gallery
    vocabulary: Vocabulary
    seed: int = 0

    def __post_init__(self) -> None:
        for split, purpose in ((self.known, "attack with"), (self.unseen, "measure an attack on")):
            if not len(split.own):
                raise PictureError(
                    f"There is no picture of “{self.concept.name}” to {purpose}; upload some of it, ten are enough."
                )

    @cached_property
    def known(self) -> Split:
        """What the attacker learns from: the concept's pictures and views of them, and other pictures."""
        return Split.of(self.training, self.concept.name, copies=COPIES, seed=self.seed)

    @property
    def pictures(self) -> int:
        """How many different pictures of the concept the attacker has, views apart."""
        return len(self.known.own) // (1 + COPIES)

    @cached_property
    def unseen(self) -> Split:
        """What an attack is measured on."""
        return Split.of(self.test, self.concept.name)

    @cached_property
    def distractors(self) -> tuple[str, ...]:
        """Labels that the concept's is told apart from where all of them would take too long."""
        name = self.concept.name.casefold()
        return tuple(label for label in self.known.some.concepts if label.casefold() != name)

    @cached_property
    def control(self) -> TextImageEncoder:
        """The original less as many random directions as the edit has: what any edit of that size does."""
        rank = sum(edit.projection.rank for edit in self.edited.edits) or len(surface_forms(self.concept))
        return EditedEncoder(self.original, random_directions(self.original.embed_dim, rank, self.seed))

    @cached_property
    def before(self) -> WhiteBox:
        """The original's weights."""
        return WhiteBox.of(self.original, self.original)

    @cached_property
    def after(self) -> WhiteBox:
        """The edited model's weights."""
        return WhiteBox.of(self.edited, self.original)

    @cached_property
    def random(self) -> WhiteBox:
        """The control's weights."""
        return WhiteBox.of(self.control, self.original)

    def prepare(self) -> Generator[Progress, None, None]:
        """Compute what attacks on the weights start from, reporting after every few pictures.

        Raises:
            ModelError: the model's weights are out of reach, or a tower does not end in a linear projection.
        """
        for white_box in (self.before, self.after):
            yield from white_box.prepare(self.known, self.unseen)
