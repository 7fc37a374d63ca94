"""Sets of concepts that the benchmarks erase: concepts that the model knows, drawn with a fixed seed."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from unlearn.clip.encoders import TextImageEncoder
from unlearn.evaluation.zero_shot import evaluate_zero_shot
from unlearn.finetuning.sources import TrainingData

#: A seed on which no defaults were chosen.
SEED = 7


def known_concepts(encoder: TextImageEncoder, data: TrainingData) -> list[str]:
    """Return the concepts that can be measured and trained on: recognised at least once, and in training images."""
    report = evaluate_zero_shot(encoder, data.test, vocabulary=data.vocabulary)
    shown = set(data.train.concepts)
    return [name for name, accuracy in report.per_class.items() if accuracy.top1 > 0 and name in shown]


def forget_sets(names: Sequence[str], size: int, count: int, seed: int = SEED) -> list[tuple[str, ...]]:
    """Return ``count`` sets of ``size`` names, drawn without repetition inside a set."""
    generator = torch.Generator().manual_seed(seed + size)
    return [tuple(names[i] for i in torch.randperm(len(names), generator=generator)[:size]) for _ in range(count)]
