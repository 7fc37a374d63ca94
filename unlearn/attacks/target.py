"""Target of the attacks: a concept that was erased from a model, and the images that an attacker has of it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cached_property

from unlearn.attacks.split import Split, images_of, share_out
from unlearn.attacks.white_box import WhiteBox
from unlearn.clip.encoders import EditedEncoder, OpenClipEncoder, TextImageEncoder
from unlearn.concepts.prompts import Concept, surface_forms
from unlearn.concepts.selection import Vocabulary
from unlearn.data.gallery import Gallery, GalleryImage
from unlearn.erasers.baselines import random_directions
from unlearn.errors import ImageError
from unlearn.progress import Progress, map_progress, within

#: Views of every training image, besides the image itself.
COPIES = 4


@dataclass(frozen=True, eq=False)
class AttackTarget:
    """A concept that was erased from a model, and what an attacker has: the edited model and some images.

    Attributes:
        concept: the erased concept.
        original: the model before the edit.
        edited: the model after the edit.
        training: images that the attacker may learn from.
        test: images that an attack is measured on, disjoint from ``training``.
        vocabulary: the labels in use.
        learned_from_images: whether the edit may have learned from ``training``; if not, all images of the concept are
            shared out again, most of them to measure on, which narrows the intervals.
        seed: seed of all random draws of an attack.

    Raises:
        ImageError: there is no image of the concept, or of anything else, to attack with or to measure on.
    """

    concept: Concept
    original: TextImageEncoder
    edited: TextImageEncoder
    training: Gallery
    test: Gallery
    vocabulary: Vocabulary
    seed: int = 0
    learned_from_images: bool = True

    def __post_init__(self) -> None:
        for split, purpose in ((self.known, "attack with"), (self.unseen, "measure an attack on")):
            if not len(split.own):
                raise ImageError(
                    f"There is no picture of “{self.concept.name}” to {purpose}; upload some of it, ten are enough."
                )
            if not split.others.any():
                raise ImageError(f"There is no picture of anything but “{self.concept.name}” to {purpose}; add some.")

    @cached_property
    def known(self) -> Split:
        """Return the images that the attacker learns from: the concept's with views of them, and others."""
        return Split.of(self.training, self._own[0], copies=COPIES, seed=self.seed)

    @property
    def images(self) -> int:
        """Return the number of different images of the concept that the attacker has, not counting views."""
        return len(self.known.own) // (1 + COPIES)

    @cached_property
    def unseen(self) -> Split:
        """Return the images that an attack is measured on."""
        return Split.of(self.test, self._own[1])

    @cached_property
    def _own(self) -> tuple[Sequence[GalleryImage], Sequence[GalleryImage]]:
        """The concept's images to learn from, and those to measure on."""
        known, unseen = (images_of(gallery, self.concept.name) for gallery in (self.training, self.test))
        return (known, unseen) if self.learned_from_images else share_out((*known, *unseen))

    @property
    def n(self) -> int:
        """Return the number of the concept's images that attacks are measured on."""
        return len(self.unseen.own)

    @property
    def others(self) -> int:
        """Return the number of other images that an AUROC ranks the concept's among."""
        return int(self.unseen.others.sum())

    @cached_property
    def distractors(self) -> tuple[str, ...]:
        """Return the labels that attacks compare the concept's label with where all labels would take too long."""
        name = self.concept.name.casefold()
        return tuple(label for label in self.known.some.concepts if label.casefold() != name)

    @cached_property
    def control(self) -> TextImageEncoder:
        """Return the original without as many random directions as the edit removes: an edit of the same size."""
        rank = sum(edit.projection.rank for edit in self.edited.edits) or len(surface_forms(self.concept))
        return EditedEncoder(self.original, random_directions(self.original.embed_dim, rank, self.seed))

    @cached_property
    def before(self) -> WhiteBox:
        """Return the original's weights."""
        return WhiteBox.of(self.original, self.original)

    @cached_property
    def after(self) -> WhiteBox:
        """Return the edited model's weights."""
        return WhiteBox.of(self.edited, self.original)

    @cached_property
    def random(self) -> WhiteBox:
        """Return the control's weights."""
        return WhiteBox.of(self.control, self.original)

    def prepare(self) -> Generator[Progress, None, None]:
        """Compute the features that attacks on the weights start from; reports progress after every few images.

        Raises:
            ModelError: the model's weights are not available, or a tower does not end in a linear projection.
        """
        splits = (self.known, self.unseen)
        yield from map_progress(self.before.prepare(*splits), within(0.0, 0.5))
        yield from map_progress(self.after.prepare(*splits), within(0.5, 1.0))
        # Attacks by words search through the model itself: its images are not encoded a second time.
        if isinstance(self.original, OpenClipEncoder):
            for gallery in (gallery for split in splits for gallery in (split.own, split.some)):
                self.original.keep_image_features(gallery, self.before.gallery_features(gallery))
