"""Is the concept still in the pictures? A judge that was never edited, and the original CLIP, say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from unlearn.encoders import TextImageEncoder, class_embeddings, similarity
from unlearn.evaluation.judge import Judge

#: A concept counts as seen where the judge has it among its first so many labels.
SEEN_WITHIN = 5


@dataclass(frozen=True)
class Sight:
    """What is seen of one concept in some pictures.

    Attributes:
        concept: its name.
        seen: whether the judge sees it, picture by picture; None where the judge does not know the concept.
        clip_score: cosine of each picture with the concept's name in the original CLIP, before any edit.
    """

    concept: str
    seen: tuple[bool, ...] | None
    clip_score: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Share of the pictures in which it is seen; NaN where the judge does not know it."""
        return sum(self.seen) / len(self.seen) if self.seen else float("nan")


def look(
    pictures: Sequence[Image.Image], concepts: Sequence[str], original: TextImageEncoder, judge: Judge
) -> tuple[Sight, ...]:
    """What judge and original CLIP see of each of ``concepts`` in ``pictures``."""
    top = judge.scores(pictures).topk(SEEN_WITHIN, dim=-1).indices
    scores = similarity(original.encode_image(pictures), class_embeddings(original, concepts))
    position = {label.casefold(): index for index, label in enumerate(judge.labels)}
    sights = []
    for column, concept in enumerate(concepts):
        index = position.get(concept.casefold())
        seen = None if index is None else tuple((top == index).any(dim=-1).tolist())
        sights.append(Sight(concept, seen, tuple(scores[:, column].tolist())))
    return tuple(sights)


def named_in(prompt: str, concepts: Sequence[str]) -> tuple[str, ...]:
    """Which of ``concepts`` a prompt names as words of their own, longest first, no letter counted twice."""
    text, found = f" {' '.join(prompt.casefold().replace(',', ' ').split())} ", []
    for concept in sorted(concepts, key=len, reverse=True):
        for form in (concept.casefold(), f"{concept.casefold()}s"):
            if f" {form} " in text:
                found.append(concept)
                text = text.replace(f" {form} ", " · ")
                break
    return tuple(sorted(found, key=lambda concept: prompt.casefold().find(concept.casefold())))
