"""Zero-shot classification: scores labels for images by the cosine of their text and image embeddings."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from PIL import Image
from torch import Tensor

from unlearn.clip.embeddings import similarity
from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.prompts import TEMPLATES
from unlearn.concepts.selection import Vocabulary
from unlearn.data.gallery import Gallery
from unlearn.evaluation.intervals import wilson


def classify(
    encoder: TextImageEncoder, image: Image.Image, labels: Sequence[str], templates: Sequence[str] = TEMPLATES
) -> dict[str, float]:
    """Return the probability of every label for one image: softmax of scaled cosines, most probable first."""
    probabilities = label_probabilities(encoder, encoder.encode_image([image]), labels, templates)[0]
    ranked = sorted(zip(labels, probabilities.tolist(), strict=True), key=lambda pair: -pair[1])
    return dict(ranked)


def label_probabilities(
    encoder: TextImageEncoder, features: Tensor, labels: Sequence[str], templates: Sequence[str]
) -> Tensor:
    """Return the softmax over ``labels`` of scaled cosines with ``features`` (n, embed_dim) of images: (n, num_labels).

    SigLIP's ``logit_bias`` would add the same to every label, which does not change a softmax.
    """
    scores = similarity(features, encoder.text_features(labels, templates))
    return (encoder.logit_scale * scores).softmax(dim=-1)


def most_telling(probabilities: Mapping[str, Mapping[str, float]], first: Sequence[str], most: int) -> list[str]:
    """Return ``most`` labels to show: ``first`` and each model's top labels, sorted by probability in the first model.

    Args:
        probabilities: of the same labels for every model, the original first.
        first: labels that are always shown, if they were offered; at most ``most``.
        most: number of labels.
    """
    original = next(iter(probabilities.values()))
    ranked = [sorted(p, key=p.__getitem__, reverse=True) for p in probabilities.values()]
    # The leader of each model comes before any model's second: ``first`` may leave little room.
    leaders = [label for place in zip(*ranked, strict=True) for label in place]
    wanted = [label for label in first if label in original]
    return sorted(list(dict.fromkeys([*wanted, *leaders]))[:most], key=original.__getitem__, reverse=True)


@dataclass(frozen=True)
class Accuracy:
    """Share of ``n`` images whose concept came first (``top1``) or among the first five; NaN if n is 0."""

    top1: float
    top5: float
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of ``top1``, Wilson's."""
        return wilson(self.top1, self.n)


def above_chance(top1: float, n: int, labels: int) -> str:
    """Return a sentence if more of the erased concepts' images get their own label first than by chance; else "".

    Args:
        top1: share of the erased concepts' images whose own label comes first.
        n: number of images.
        labels: number of labels offered, the image's own included.
    """
    named, by_chance = round(top1 * n) if n else 0, math.ceil(n / labels)
    if named <= by_chance:
        return ""
    return (
        f"Not erased as far as chance: {named} of {n} pictures of what is erased still get their own label first; "
        f"among {labels:,} labels {by_chance} would by guessing."
    )


def first_among_few(ranks: Tensor, labels: int, others: int = 4) -> Tensor:
    """Return how often each image's own label comes first among itself and ``others`` wrong ones, over all draws.

    A model without knowledge is right by chance, 1 / (others + 1). With hundreds of labels, some always come before an
    erased one; with five, any remaining knowledge of the concept shows. Of the ``labels`` − 1 wrong labels, rank come
    before the own one; the probability that none of them is drawn is hypergeometric, C(labels − 1 − rank, others) /
    C(labels − 1, others).

    Args:
        ranks: rank, from 0, of each image's own label, (n,).
        labels: number of labels offered.
        others: number of wrong labels beside the own one; all of them if there are fewer.

    Returns:
        Probabilities (n,), float64.
    """
    wrong = labels - 1
    behind = wrong - ranks.double()
    drawn = torch.arange(min(others, wrong))
    return ((behind[:, None] - drawn).clamp_min(0) / (wrong - drawn)).prod(dim=1)


@dataclass(frozen=True, eq=False)
class ZeroShotReport:
    """Zero-shot accuracy on a gallery with every label offered, erased ones included.

    Attributes:
        overall, forget, retain: accuracy on all images, on those of erased concepts, on the others.
        classnames: the labels offered.
        targets: index of each image's own label, (n,).
        forgotten: whether each image's concept is erased, (n,).
        ranks: number of labels that score higher or tie, (n,).
    """

    overall: Accuracy
    forget: Accuracy
    retain: Accuracy
    classnames: tuple[str, ...]
    targets: Tensor
    forgotten: Tensor
    ranks: Tensor

    @cached_property
    def per_class(self) -> dict[str, Accuracy]:
        """Return the accuracy of every class that has images."""
        # Counted for all classes at once: a page asks for this after every edit.
        counts = (self.targets, self.targets[self.ranks < 1], self.targets[self.ranks < 5])
        n, top1, top5 = (rows.bincount(minlength=len(self.classnames)).tolist() for rows in counts)
        return {name: Accuracy(top1[i] / n[i], top5[i] / n[i], n[i]) for i, name in enumerate(self.classnames) if n[i]}


def true_label_ranks(image: Tensor, classes: Tensor, targets: Tensor) -> Tensor:
    """Return the rank, from 0, of each image's own label: the number of other labels that score at least as high, (n,).

    A tie counts against the label, so a model that scores all labels the same gets no hits.

    Args:
        image: image embeddings (n, d).
        classes: class embeddings (c, d).
        targets: index of the own label, (n,).
    """
    scores = similarity(image, classes)
    own = scores.gather(1, targets[:, None])
    return (scores >= own).sum(dim=1) - 1


def accuracy_of(ranks: Tensor) -> Accuracy:
    """Return the top-1 and top-5 accuracy of ranks (n,)."""
    n = int(ranks.numel())
    if n == 0:
        return Accuracy(float("nan"), float("nan"), 0)
    return Accuracy(float((ranks < 1).float().mean()), float((ranks < 5).float().mean()), n)


def evaluate_zero_shot(
    encoder: TextImageEncoder,
    gallery: Gallery,
    *,
    forget: Collection[str] = (),
    vocabulary: Vocabulary | None = None,
) -> ZeroShotReport:
    """Classify every image of ``gallery`` among the labels of ``vocabulary``, with its templates.

    Without a vocabulary, the gallery's concepts are offered. Images whose concept is not offered are left out.
    ``forget`` splits the result.
    """
    words = vocabulary or Vocabulary.of(gallery.concepts)
    names, templates = words.names, words.templates
    targets = gallery.targets(names)
    known = targets >= 0
    targets = targets[known]

    def compute() -> Tensor:
        features = encoder.image_features(gallery)[known]
        return true_label_ranks(features, encoder.text_features(names, templates), targets)

    # The erased concepts only split the ranks, so an encoder that stays the same between edits is measured once.
    ranks = gallery.ranks.get(encoder, (names, tuple(templates)), compute)
    forgotten_names = {name.casefold() for name in forget}
    forgotten = torch.tensor([name.casefold() in forgotten_names for name in names], dtype=torch.bool)[targets]
    return ZeroShotReport(
        overall=accuracy_of(ranks),
        forget=accuracy_of(ranks[forgotten]),
        retain=accuracy_of(ranks[~forgotten]),
        classnames=names,
        targets=targets,
        forgotten=forgotten,
        ranks=ranks,
    )
