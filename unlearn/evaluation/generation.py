"""Detection of a concept in drawn images by a judge that was never edited and by the original CLIP."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from unlearn.clip.embeddings import similarity
from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.prompts import TEMPLATES
from unlearn.evaluation.judge import Judge

#: Several words that each begin with a capital letter; an article at the start of a prompt is too short to count.
PROPER_NAME = re.compile(r"\b[A-Z][a-z]\w*(?: [A-Z][a-z]\w*)+")


@dataclass(frozen=True)
class Detection:
    """Detection of one concept in some images.

    Attributes:
        concept: its name.
        seen: whether the judge detects it, one value per image; None if the judge does not know the concept.
        clip_score: cosine of each image with the concept's name in the original CLIP, before any edit.
    """

    concept: str
    seen: tuple[bool, ...] | None
    clip_score: tuple[float, ...]


def look(
    images: Sequence[Image.Image], concepts: Sequence[str], original: TextImageEncoder, judge: Judge
) -> tuple[Detection, ...]:
    """Detect each of ``concepts`` in ``images`` with the judge and the original CLIP."""
    known = {label.casefold() for label in judge.labels}
    first = [{label.casefold() for label in labels} for labels in judge.first_labels(images)]
    scores = similarity(original.encode_image(images), original.text_features(concepts, TEMPLATES))
    detections = []
    for column, concept in enumerate(concepts):
        name = concept.casefold()
        seen = tuple(name in labels for labels in first) if name in known else None
        detections.append(Detection(concept, seen, tuple(scores[:, column].tolist())))
    return tuple(detections)


def named_in(prompt: str, concepts: Sequence[str]) -> tuple[str, ...]:
    """Return those of ``concepts`` that a prompt names as whole words, longest first, no letter counted twice.

    A part of a proper name, such as the mouse in “Mickey Mouse”, names no concept.
    """
    whole = {concept.casefold() for concept in concepts}
    common = PROPER_NAME.sub(lambda name: name[0] if name[0].casefold() in whole else "·", prompt)
    text, found = f" {' '.join(common.casefold().replace(',', ' ').split())} ", []
    for concept in sorted(concepts, key=len, reverse=True):
        for form in (concept.casefold(), f"{concept.casefold()}s"):
            if f" {form} " in text:
                found.append(concept)
                text = text.replace(f" {form} ", " · ")
                break
    return tuple(sorted(found, key=lambda concept: prompt.casefold().find(concept.casefold())))
