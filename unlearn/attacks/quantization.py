"""Quantisation: casts the weights that carry the edit to fewer bits and measures whether the concept comes back."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unlearn.attacks.finding import Finding, Row
from unlearn.attacks.groups import Group
from unlearn.attacks.relearning import TEMPLATE
from unlearn.attacks.target import AttackTarget
from unlearn.attacks.white_box import WhiteBox
from unlearn.concepts.prompts import prompts
from unlearn.evaluation.zero_shot import true_label_ranks

GROUP = Group.QUANTIZATION
(NAME,) = GROUP.attacks


def to_int8(tensor: Tensor) -> Tensor:
    """Quantise to 8 bits, symmetric and per tensor, and back, as dynamic quantisation does to a weight."""
    scale = tensor.abs().max().clamp_min(1e-12) / 127
    return (tensor / scale).round() * scale


UNROUNDED = "float32, as exported"
FORMATS: dict[str, Callable[[Tensor], Tensor]] = {
    UNROUNDED: lambda tensor: tensor,
    "float16": lambda tensor: tensor.half().float(),
    "int8": to_int8,
}


def attack_quantization(target: AttackTarget) -> Finding:
    """Cast every weight that the edit changed; the finding is for the cast that restores the concept most.

    Raises:
        ModelError: the model's weights are not available.
    """
    rows = {
        name: Row(
            name, *(_named(white_box, target, cast) for white_box in (target.before, target.after, target.random))
        )
        for name, cast in FORMATS.items()
    }
    exported = rows[UNROUNDED]
    most = max((row for row in rows.values() if row is not exported), key=lambda row: row.after)
    labels = 1 + len(target.distractors)
    finding = Finding(
        GROUP,
        NAME,
        f"named first among {labels} labels, beyond what unrounded weights do",
        before=exported.before - exported.after,
        after=max(0.0, most.after - exported.after),
        chance=0.0,
        n=target.n,
        rows=tuple(rows.values()),
    )
    return finding.worded(
        leaked=f"In {most.name} the model names it again.",
        held="Rounding the edited weights brings less than half of it back.",
        no_evidence="Unrounded, the edited model names it as before: there is nothing that rounding could bring back.",
    )


def _named(white_box: WhiteBox, target: AttackTarget, cast: Callable[[Tensor], Tensor]) -> float:
    """Return the share of the concept's unseen images whose own label comes first."""
    model = white_box.cast(cast)
    labels = (target.concept.name, *target.distractors)
    with torch.no_grad():
        texts = model.text_features(model.text_hidden([prompts(label, (TEMPLATE,))[0] for label in labels]))
        images = model.image_features(model.hidden(target.unseen)[target.unseen.positive])
    ranks = true_label_ranks(images, texts, torch.zeros(len(images), dtype=torch.long))
    return float((ranks < 1).float().mean())
