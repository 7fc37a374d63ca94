"""The batch of a training step: its pairs, embedded by the model in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unlearn.finetuning.pairs import PairSet
from unlearn.finetuning.prepared import Frozen, PreparedImages, PreparedTexts
from unlearn.finetuning.processes import Processes


@dataclass(frozen=True)
class Embedded:
    """Pairs of a batch as unit-norm embeddings, (n, embed_dim) each; ``original_*`` are the unedited model's."""

    images: Tensor
    texts: Tensor
    original_images: Tensor
    original_texts: Tensor


@dataclass(frozen=True, eq=False)
class Batches:
    """Batches that depend only on ``seed`` and the step, so that resumed runs and all processes draw the same ones."""

    frozen: Frozen
    images: Sequence[PreparedImages]
    forget: PairSet
    retain: PairSet
    texts: tuple[PreparedTexts, PreparedTexts]
    size: int
    seed: int
    processes: Processes

    def embed(self, step: int) -> tuple[Embedded, Embedded]:
        """Return the forget and the retain pairs of ``step``, embedded by the model in training."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        forget = self.forget.draw(self.size, generator, distinct=False)
        retain = self.retain.draw(self.size, generator, distinct=True)
        shown = [pairs.images[i] for pairs, drawn in ((self.forget, forget), (self.retain, retain)) for i, _ in drawn]
        places = [(self.images[g], i) for g, i in shown]
        written = [(t, i) for t, drawn in enumerate((forget, retain)) for _, i in drawn]

        mine = self.processes.share(len(places))
        trainable, device = self.frozen.trainable, self.frozen.encoder.device
        with self.frozen.autocast():
            images = trainable.image_features(self.frozen.image_inputs([places[i] for i in mine]))
            # The two sets' texts may be padded to different lengths.
            tokens = pad_sequence([self.texts[t].inputs[i] for t, i in (written[i] for i in mine)], batch_first=True)
            words = trainable.text_features(tokens.to(device))
        # Both sets share one forward pass and are split again here.
        cut = (len(forget),)
        parts = zip(
            self.processes.together(images, mine, len(places)).tensor_split(cut),
            self.processes.together(words, mine, len(places)).tensor_split(cut),
            torch.stack([prepared.original[i] for prepared, i in places]).to(device).tensor_split(cut),
            torch.stack([self.texts[t].original[i] for t, i in written]).to(device).tensor_split(cut),
            strict=True,
        )
        forgotten, retained = (Embedded(*part) for part in parts)
        return forgotten, retained
