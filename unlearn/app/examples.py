"""Concepts to try: those that the model names in their pictures before any edit, so that an edit has an effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from unlearn.app.results import Called
from unlearn.app.services import Services
from unlearn.app.session import OWN_ALONE, Session
from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.selection import Vocabulary
from unlearn.data.gallery import Gallery
from unlearn.evaluation.zero_shot import Accuracy, evaluate_zero_shot, label_probabilities

#: Things that people know and that look different from each other, all among those that pocket-diffusion draws; the
#: page opens with the first that the model names. A test measures them.
HEADLINES = (
    "dog", "guitar", "train", "pizza", "butterfly", "coffee", "penguin", "sunflower", "bus", "elephant", "book",
    "dolphin", "strawberry", "motorcycle", "key", "shark", "cactus", "watermelon", "beer", "mushroom",
)  # fmt: skip
#: Top-1 on a concept's images from which an edit is worth looking at, and under which there is little to lose.
NAMED, HARDLY = 0.9, 0.5


def named(encoder: TextImageEncoder, gallery: Gallery, vocabulary: Vocabulary) -> Mapping[str, Accuracy]:
    """Return the accuracy of the unedited model on each concept of ``gallery``, with every label as a candidate."""
    return evaluate_zero_shot(encoder, gallery, vocabulary=vocabulary).per_class


def well_known(services: Services, session: Session) -> list[str]:
    """Return the concepts that the visitor's model names in at least ``NAMED`` of their images, headlines first."""
    measured = named(services.encoder_of(session), services.collection(session), services.vocabulary_of(session))
    known = [name for name, accuracy in measured.items() if accuracy.top1 >= NAMED]
    return [*(name for name in HEADLINES if name in known), *(name for name in known if name not in HEADLINES)]


def opening(services: Services, session: Session) -> str:
    """Return the concept that is erased when the page opens: the first that the model knows well."""
    return next(iter(well_known(services, session)), services.collection(session).concepts[0])


def hardly_known(services: Services, session: Session) -> list[str]:
    """Return the erased concepts that the visitor's model named in fewer than ``HARDLY`` of their images before."""
    measured = named(services.encoder_of(session), services.collection(session), services.vocabulary_of(session))
    return [name for name in session.erased if name in measured and measured[name].top1 < HARDLY]


def called(services: Services, session: Session) -> Called | None:
    """Return what the visitor's model calls their newest images, those of one concept; None without any."""
    if session.uploads is None:
        return None
    encoder, vocabulary = services.encoder_of(session), services.vocabulary_of(replace(session, measured_on=OWN_ALONE))
    concept = session.uploads.images[-1].concept
    own = session.uploads.targets([concept]) == 0
    features = encoder.image_features(session.uploads)[own]
    first = label_probabilities(encoder, features, vocabulary.names, vocabulary.templates).argmax(dim=1)
    counts = Counter(vocabulary.names[index] for index in first.tolist())
    named = sum(count for name, count in counts.items() if name.casefold() == concept.casefold())
    others = tuple(name for name, _ in counts.most_common() if name.casefold() != concept.casefold())
    return Called(concept, named, int(own.sum()), others)
