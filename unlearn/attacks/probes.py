"""A linear probe: can a classifier that learns from a few pictures still tell the concept's from others?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unlearn.attacks.exposed import Exposed
from unlearn.attacks.finding import Finding, area
from unlearn.attacks.split import Split
from unlearn.attacks.suspect import Suspect

GROUP, MEASURE = "probes", "ranks above other pictures"
#: Inverse strength of the probe's regularisation, as scikit-learn counts it, for features of unit variance.
C = 0.01

#: Where the probe reads, and what it means where it finds the concept there and where it does not.
PLACES: dict[str, tuple[Callable[[Exposed, Split], Tensor], str, str]] = {
    "Features after the projection": (
        lambda exposed, split: exposed.image_features(exposed.hidden(split)),
        "What the edited model puts out still tells its pictures from others, to whoever has a few to learn from.",
        "In what the edited model puts out a line tells its pictures from others less than half as well.",
    ),
    "Features before the projection": (
        lambda exposed, split: exposed.hidden(split),
        "The image tower still sees it: an edit of the last projection hides it, and takes nothing from the weights.",
        "Already the image tower tells its pictures from others less than half as well.",
    ),
}


def attack_probe(suspect: Suspect, place: str) -> Finding:
    """Train a probe where ``place``, one of :data:`PLACES`, says and measure it on unseen pictures.

    Raises:
        ModelError: the model's weights are out of reach.
    """
    read, leaked, held = PLACES[place]
    exposed = (suspect.before, suspect.after, suspect.random)
    before, after, control = (_probe(model, suspect, read) for model in exposed)
    n = len(suspect.unseen.own)
    return Finding(GROUP, place, MEASURE, before, after, 0.5, control, n).worded(leaked=leaked, held=held)


def _probe(exposed: Exposed, suspect: Suspect, read: Callable[[Exposed, Split], Tensor]) -> float:
    """Area under the curve of a probe trained on what ``read`` gives for known pictures, for unseen ones."""
    from sklearn.linear_model import LogisticRegression

    known, unseen = read(exposed, suspect.known), read(exposed, suspect.unseen)
    # What does not vary among the known pictures is no evidence, and would be blown up.
    mean, scale = known.mean(dim=0), known.std(dim=0).clamp_min(1e-6)
    probe = LogisticRegression(C=C, class_weight="balanced", max_iter=1000)
    probe.fit(((known - mean) / scale).numpy(), suspect.known.positive.numpy())
    scores = probe.decision_function(((unseen - mean) / scale).numpy())
    return area(torch.from_numpy(scores), suspect.unseen.positive)
