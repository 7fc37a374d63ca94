"""Inverse projection: an attacker who has the edit's factors from an exported edit multiplies by their inverse."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from unlearn.attacks.finding import Finding, auroc_either_end
from unlearn.attacks.groups import AUROC_EITHER_END, Group
from unlearn.attacks.target import AttackTarget
from unlearn.attacks.white_box import WhiteBox
from unlearn.attacks.words import chance_level
from unlearn.clip.embeddings import RESOLUTION
from unlearn.concepts.prompts import prompts
from unlearn.errors import ModelError

GROUP = Group.INVERSE
(NAME,) = GROUP.attacks


def attack_projection_inverse(target: AttackTarget) -> Finding:
    """Invert the edit in the checkpoint's embeddings as far as possible, and search by the concept's name.

    Raises:
        ModelError: the edit is not a projection, or the model's weights are not available.
    """
    checkpoint = target.after
    if not target.edited.edits:
        raise ModelError("There is no projection to invert: the weights themselves were changed.")
    edited = target.edited.edits[-1]
    # In float64: the inverse of a strong edit is large in the erased directions. A direction whose float32 factors hold
    # only rounding errors is not inverted: the embeddings hold only rounding errors in it too.
    inverse = torch.linalg.pinv(edited.projection.matrix.double(), rtol=RESOLUTION)
    unchanged = torch.eye(len(inverse), dtype=torch.float64)
    on_images = inverse if edited.side in ("image", "both") else unchanged
    on_texts = inverse.T if edited.side in ("text", "both") else unchanged
    before, _ = _named(target.before, target, unchanged, unchanged)
    after, from_end = _named(checkpoint, target, on_images, on_texts)
    chance = chance_level(target, 1)
    return Finding(
        GROUP, NAME, AUROC_EITHER_END, before, after, chance, from_end, n=target.n, others=target.others
    ).worded(
        leaked="Anyone who has the edit's file can multiply embeddings by its inverse and have the original's back.",
        held="The edit cannot be inverted: what it took from the embeddings is not in them any more.",
    )


def _named(white_box: WhiteBox, target: AttackTarget, on_images: Tensor, on_texts: Tensor) -> tuple[float, bool]:
    """Return the AUROC of the name after these maps (d, d) of the embeddings, and whether it was read from the end."""
    prompted = white_box.text_hidden(prompts(target.concept.name, target.vocabulary.templates))
    name = F.normalize(white_box.text_features(prompted).double() @ on_texts, dim=-1).mean(dim=0)
    known, unseen = (
        F.normalize(white_box.image_features(white_box.hidden(split)).double() @ on_images, dim=-1) @ name
        for split in (target.known, target.unseen)
    )
    return auroc_either_end(known, target.known.positive, unseen, target.unseen.positive)
