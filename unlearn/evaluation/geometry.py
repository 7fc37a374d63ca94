"""Concepts against concepts: cosines of their images and texts, and what erasing one does to the others."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.selection import Vocabulary
from unlearn.data.gallery import Gallery
from unlearn.evaluation.zero_shot import label_probabilities
from unlearn.progress import Progress


def image_text_similarity(
    encoder: TextImageEncoder, gallery: Gallery, names: Sequence[str], templates: Sequence[str]
) -> Tensor:
    """Return the mean cosine of the images of each of ``names`` (rows) with the text of each (columns): (names, names).

    A row is NaN if ``gallery`` has no image of that name.
    """
    features, targets = encoder.image_features(gallery), gallery.targets(names)
    means = torch.stack([features[targets == i].mean(dim=0) for i in range(len(names))])
    return means @ encoder.text_features(names, templates).T


@dataclass(frozen=True)
class Interference:
    """Change in a model's recognition of a concept's images (columns) when another concept is erased (rows).

    Attributes:
        names: rows and columns.
        probability: change of the correct label's mean probability, (names, names); NaN for concepts without images.
    """

    names: tuple[str, ...]
    probability: Tensor


def measure_interference(
    original: TextImageEncoder,
    erase: Callable[[str], TextImageEncoder],
    gallery: Gallery,
    names: Sequence[str],
    vocabulary: Vocabulary,
) -> Generator[Progress, None, Interference]:
    """Erase each of ``names`` alone, and measure the model on the images of all of them.

    Args:
        original: the model before any edit.
        erase: returns the model without one concept.
        gallery: images to measure on; more styles give better estimates, as a concept has few images in each.
        names: concepts; only related ones give informative results.
        vocabulary: labels offered.
    """
    among = {name.casefold() for name in names}
    shown = gallery.where(lambda image: image.concept.casefold() in among)
    before = _seen(original, shown, vocabulary)
    changes = torch.zeros(len(names), len(shown))
    for row, name in enumerate(names):
        changes[row] = _seen(erase(name), shown, vocabulary) - before
        yield Progress(row + 1, len(names))
    columns = shown.targets(names)
    sums = torch.zeros(len(names), len(names)).index_add_(1, columns, changes)
    # 0 / 0 gives NaN for a concept without images.
    return Interference(tuple(names), sums / torch.bincount(columns, minlength=len(names)))


def _seen(model: TextImageEncoder, shown: Gallery, vocabulary: Vocabulary) -> Tensor:
    """Return the probability of the correct label for every image, (n,)."""
    probabilities = label_probabilities(model, model.image_features(shown), vocabulary.names, vocabulary.templates)
    return probabilities.gather(1, shown.targets(vocabulary.names)[:, None])[:, 0]
