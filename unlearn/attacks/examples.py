"""Search by example: known images of the concept retrieve others of it, so the attacker needs no word for it."""

from __future__ import annotations

from torch.nn import functional as F

from unlearn.attacks.finding import Finding, auroc
from unlearn.attacks.groups import AUROC, Group
from unlearn.attacks.target import AttackTarget
from unlearn.attacks.white_box import WhiteBox

GROUP = Group.EXAMPLES
(NAME,) = GROUP.attacks


def attack_examples(target: AttackTarget) -> Finding:
    """Search the unseen images with the mean embedding of the known ones.

    Raises:
        ModelError: the model's weights are not available.
    """
    before, after, control = (_found(white_box, target) for white_box in (target.before, target.after, target.random))
    finding = Finding(GROUP, NAME, AUROC, before, after, 0.5, control=control, n=target.n, others=target.others)
    return finding.worded(
        leaked="A picture of it finds the others: whatever words do, its pictures still lie close together.",
        held="A picture of it no longer finds the others as before.",
    )


def _found(white_box: WhiteBox, target: AttackTarget) -> float:
    known, unseen = (white_box.image_features(white_box.hidden(split)) for split in (target.known, target.unseen))
    query = F.normalize(known[target.known.positive].mean(dim=0), dim=0)
    return auroc(unseen @ query, target.unseen.positive)
