"""Linear probe: a classifier trained on a few images tries to tell the concept's images from others.

The baseline is the same classifier on raw pixels, which no training has shaped: an edit of the model cannot remove
what the pixels give away.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unlearn import late
from unlearn.attacks.finding import Finding, auroc
from unlearn.attacks.groups import AUROC, Group
from unlearn.attacks.split import Split
from unlearn.attacks.target import AttackTarget
from unlearn.attacks.white_box import WhiteBox

GROUP = Group.PROBES
#: Inverse strength of the probe's regularisation, as scikit-learn counts it, for features of unit variance.
C = 0.01
#: Margin over raw pixels that a model's features need before the edit; pixels of drawings already separate well.
WORKED = 0.05

#: Places where the probe reads features, and the sentences for a concept found and not found there.
PLACES: dict[str, tuple[Callable[[WhiteBox, Split], Tensor], str, str]] = {
    "Features after the projection": (
        lambda white_box, split: white_box.image_features(white_box.hidden(split)),
        "The edited model's features still separate its pictures from others, for anyone who has a few to learn from.",
        "The edited model's features separate its pictures from others hardly better than bare pixels do.",
    ),
    "Features before the projection": (
        lambda white_box, split: white_box.hidden(split),
        "The image tower still sees it: an edit of the last projection hides it, and takes nothing from the weights.",
        "The image tower's features, too, separate its pictures from others hardly better than bare pixels do.",
    ),
}


def attack_probe(target: AttackTarget, place: str) -> Finding:
    """Train a probe on the features of ``place``, one of :data:`PLACES`, and measure it on unseen images.

    Raises:
        ModelError: the model's weights are not available.
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
        n=target.n,
        others=target.others,
    ).worded(leaked=leaked, held=held)


def _probe(target: AttackTarget, known: Tensor, unseen: Tensor) -> float:
    """Return the AUROC on the ``unseen`` images of a probe that was trained on the features of the ``known`` ones."""
    # A feature that does not vary among the known images is no evidence, and scaling would amplify it.
    mean, scale = known.mean(dim=0), known.std(dim=0).clamp_min(1e-6)
    probe = late.linear_model.LogisticRegression(C=C, class_weight="balanced", max_iter=1000)
    probe.fit(((known - mean) / scale).numpy(), target.known.positive.numpy())
    scores = probe.decision_function(((unseen - mean) / scale).numpy())
    return auroc(torch.from_numpy(scores), target.unseen.positive)
