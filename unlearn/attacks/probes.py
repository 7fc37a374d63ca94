"""A linear probe: can a classifier that learns from a few pictures still tell the concept's from others?

The same classifier on the bare pixels, which have learned nothing, is what it is measured against: what those give
away, no edit of a model can take back.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unlearn.attacks.finding import AUROC, Finding, auroc
from unlearn.attacks.groups import Group
from unlearn.attacks.split import Split
from unlearn.attacks.target import AttackTarget
from unlearn.attacks.white_box import WhiteBox

GROUP = Group.PROBES
#: Inverse strength of the probe's regularisation, as scikit-learn counts it, for features of unit variance.
C = 0.01
#: How much better than bare pixels a model's features must be before the edit: drawings leave little room above those.
WORKED = 0.05

#: Where the probe reads, and what it means where it finds the concept there and where it does not.
PLACES: dict[str, tuple[Callable[[WhiteBox, Split], Tensor], str, str]] = {
    "Features after the projection": (
        lambda white_box, split: white_box.image_features(white_box.hidden(split)),
        "What the edited model puts out still tells its pictures from others, to whoever has a few to learn from.",
        "What the edited model puts out is hardly more help than bare pixels in telling its pictures from others.",
    ),
    "Features before the projection": (
        lambda white_box, split: white_box.hidden(split),
        "The image tower still sees it: an edit of the last projection hides it, and takes nothing from the weights.",
        "Already the image tower is hardly more help than bare pixels in telling its pictures from others.",
    ),
}


def attack_probe(target: AttackTarget, place: str) -> Finding:
    """Train a probe where ``place``, one of :data:`PLACES`, says and measure it on unseen pictures.

    Raises:
        ModelError: the model's weights are out of reach.
    """
    read, leaked, held = PLACES[place]
    before, after = (
        _probe(target, read(white_box, target.known), read(white_box, target.unseen))
        for white_box in (target.before, target.after)
    )
    pixels = _probe(target, target.known.pixels, target.unseen.pixels)
    return Finding(
        GROUP,
        place,
        AUROC,
        before,
        after,
        chance=max(0.5, pixels),
        worked=WORKED,
        control=pixels,
        control_name="bare pixels",
        n=len(target.unseen.own),
    ).worded(leaked=leaked, held=held)


def _probe(target: AttackTarget, known: Tensor, unseen: Tensor) -> float:
    """Area under the curve of a probe trained on the ``known`` pictures' features, for those of the ``unseen``."""
    from sklearn.linear_model import LogisticRegression

    # What does not vary among the known pictures is no evidence, and would be blown up.
    mean, scale = known.mean(dim=0), known.std(dim=0).clamp_min(1e-6)
    probe = LogisticRegression(C=C, class_weight="balanced", max_iter=1000)
    probe.fit(((known - mean) / scale).numpy(), target.known.positive.numpy())
    scores = probe.decision_function(((unseen - mean) / scale).numpy())
    return auroc(torch.from_numpy(scores), target.unseen.positive)
