"""Undoing: whoever has the edit's factors, which an exported edit consists of, multiplies by their inverse."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from unlearn.attacks.exposed import Exposed
from unlearn.attacks.finding import TOLD_APART, Finding, told_apart
from unlearn.attacks.groups import Group
from unlearn.attacks.suspect import Suspect
from unlearn.attacks.words import names_by_chance
from unlearn.clip.encoders import RESOLUTION, EditedEncoder
from unlearn.concepts.selection import prompts
from unlearn.errors import ModelError

GROUP, NAME = Group.UNDOING, "The edit's inverse"


def attack_undoing(suspect: Suspect) -> Finding:
    """Take the edit back out of the embeddings of the checkpoint, as far as it can be, and search by the name.

    Raises:
        ModelError: what was edited is no projection, or the model's weights are out of reach.
    """
    edited, checkpoint = suspect.edited, suspect.after
    if not isinstance(edited, EditedEncoder):
        raise ModelError("There is no projection to undo: the weights themselves were changed.")
    # In float64: the inverse of a strong edit is large in the directions that were erased. What its float32 factors
    # left of a direction by rounding alone is not inverted: the embeddings hold nothing of it but their own rounding.
    inverse = torch.linalg.pinv(edited.projection.matrix.double(), rtol=RESOLUTION)
    unchanged = torch.eye(len(inverse), dtype=torch.float64)
    on_images = inverse if edited.side in ("image", "both") else unchanged
    on_texts = inverse.T if edited.side in ("text", "both") else unchanged
    before, _ = _named(suspect.before, suspect, unchanged, unchanged)
    after, from_end = _named(checkpoint, suspect, on_images, on_texts)
    chance, n = names_by_chance(suspect, 1), len(suspect.unseen.own)
    return Finding(GROUP, NAME, TOLD_APART, before, after, chance, from_end, n=n).worded(
        leaked="Multiplied by the edit's inverse, embeddings are the original's again for whoever has its file.",
        held="The edit cannot be inverted: what it took from the embeddings is not in them any more.",
    )


def _named(exposed: Exposed, suspect: Suspect, on_images: Tensor, on_texts: Tensor) -> tuple[float, bool]:
    """How well the name tells pictures apart once embeddings went through these maps (d, d); whether from the end."""
    prompted = exposed.text_hidden(prompts(suspect.concept.name, suspect.vocabulary.templates))
    name = F.normalize(exposed.text_features(prompted).double() @ on_texts, dim=-1).mean(dim=0)
    known, unseen = (
        F.normalize(exposed.image_features(exposed.hidden(split)).double() @ on_images, dim=-1) @ name
        for split in (suspect.known, suspect.unseen)
    )
    return told_apart(known, suspect.known.positive, unseen, suspect.unseen.positive)
