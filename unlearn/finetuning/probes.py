"""Accuracy while training, quick enough to measure every few steps."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from unlearn.concepts.prompts import prompts
from unlearn.evaluation.zero_shot import true_label_ranks
from unlearn.finetuning.prepared import CHUNK, Frozen, PreparedImages

TEMPLATE = "a picture of a {}"
MOST_RETAINED = 256


class Probe:
    """Zero-shot top-1 accuracy of the model in training on a gallery, with all labels offered and one template.

    It is measured on every image to forget, and on at most :data:`MOST_RETAINED` evenly spaced retained images. The
    results that the app shows differ a little, because they use all templates and images.
    """

    def __init__(
        self, frozen: Frozen, images: PreparedImages, classnames: Sequence[str], forget: Collection[str]
    ) -> None:
        self._frozen = frozen
        self._texts = frozen.texts([text for name in classnames for text in prompts(name, (TEMPLATE,))])
        gallery = images.gallery
        targets = gallery.targets(classnames)
        names = {name.casefold() for name in forget}
        forgotten = torch.tensor([image.concept.casefold() in names for image in gallery], dtype=torch.bool)
        retained = torch.nonzero(~forgotten & (targets >= 0)).flatten()
        retained = retained[:: -(-len(retained) // MOST_RETAINED) or 1]
        self._rows = torch.cat([torch.nonzero(forgotten).flatten(), retained])
        self._num_forget = int(forgotten.sum())
        self._targets = targets[self._rows]
        self._images = images

    @torch.no_grad()
    def __call__(self) -> tuple[float, float]:
        """Return the current accuracy on the forget set and on the retain set; NaN if a set has no image."""
        if not len(self._rows):
            return math.nan, math.nan
        with self._frozen.autocast():
            images = torch.cat([self._embed(rows) for rows in torch.split(self._rows, CHUNK)])
            classes = torch.cat(
                [
                    self._frozen.trainable.text_features(tokens.to(self._frozen.encoder.device)).cpu()
                    for tokens in torch.split(self._texts.inputs, 8 * CHUNK)
                ]
            )
        hits = (true_label_ranks(images, classes, self._targets) < 1).float()
        # The mean of an empty tensor is NaN.
        return hits[: self._num_forget].mean().item(), hits[self._num_forget :].mean().item()

    def _embed(self, rows: Tensor) -> Tensor:
        inputs = self._frozen.image_inputs([(self._images, i) for i in rows.tolist()])
        return self._frozen.trainable.image_features(inputs).cpu()
