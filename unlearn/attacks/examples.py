"""Search by example: pictures of the concept call up others of it, and no word is ever asked for."""

from __future__ import annotations

from torch.nn import functional as F

from unlearn.attacks.exposed import Exposed
from unlearn.attacks.finding import RANKS, Finding, area
from unlearn.attacks.groups import Group
from unlearn.attacks.suspect import Suspect

GROUP, NAME = Group.EXAMPLES, "Its pictures as the query"


def attack_examples(suspect: Suspect) -> Finding:
    """Search the unseen pictures with the mean embedding of the known ones.

    Raises:
        ModelError: the model's weights are out of reach.
    """
    before, after, control = (_found(exposed, suspect) for exposed in (suspect.before, suspect.after, suspect.random))
    finding = Finding(GROUP, NAME, RANKS, before, after, 0.5, control=control, n=len(suspect.unseen.own))
    return finding.worded(
        leaked="A picture of it finds the others: whatever the words say, like still lies beside like.",
        held="A picture of it no longer finds the others as before.",
    )


def _found(exposed: Exposed, suspect: Suspect) -> float:
    known, unseen = (exposed.image_features(exposed.hidden(split)) for split in (suspect.known, suspect.unseen))
    query = F.normalize(known[suspect.known.positive].mean(dim=0), dim=0)
    return area(unseen @ query, suspect.unseen.positive)
