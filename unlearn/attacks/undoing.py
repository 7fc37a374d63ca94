"""Undoing: whoever has the edit's factors, which an exported edit consists of, multiplies by their inverse."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from unlearn.attacks.exposed import Exposed
from unlearn.attacks.finding import RANKS, Finding, area
from unlearn.attacks.suspect import Suspect
from unlearn.concepts import prompts
from unlearn.encoders import RESOLUTION, EditedEncoder
from unlearn.errors import ModelError

GROUP, NAME = "undoing", "The edit's inverse"


def attack_undoing(suspect: Suspect) -> Finding:
    """Take the edit back out of the embeddings of the checkpoint, as far as it can be, and search by the name.

    Raises:
        ModelError: what was edited is no projection, or the model's weights are out of reach.
    """
    edited, after = suspect.edited, suspect.after
    if not isinstance(edited, EditedEncoder):
        raise ModelError("There is no projection to undo: the weights themselves were changed.")
    # In float64: the inverse of a strong edit is large in the directions that were erased. What its float32 factors
    # left of a direction by rounding alone is not inverted: the embeddings hold nothing of it but their own rounding.
    inverse = torch.linalg.pinv(edited.projection.matrix.double(), rtol=RESOLUTION)
    images, texts = (features.double() for features in _embeddings(after, suspect))
    if edited.side in ("image", "both"):
        images = F.normalize(images @ inverse, dim=-1)
    if edited.side in ("text", "both"):
        texts = F.normalize(texts @ inverse.T, dim=-1)
    shown = suspect.unseen.positive
    images_before, texts_before = _embeddings(suspect.before, suspect)
    before = area(images_before @ texts_before.mean(dim=0), shown)
    found = area(images @ texts.mean(dim=0), shown)
    return Finding(GROUP, NAME, RANKS, before, found, 0.5, n=len(suspect.unseen.own)).worded(
        leaked="Multiplied by the edit's inverse, embeddings are the original's again for whoever has its file.",
        held="The edit cannot be inverted: what it took from the embeddings is not in them any more.",
    )


def _embeddings(exposed: Exposed, suspect: Suspect) -> tuple[Tensor, Tensor]:
    """Of the unseen pictures (n, d), and of the name in every template (t, d)."""
    texts = exposed.text_hidden(prompts(suspect.concept.name, suspect.vocabulary.templates))
    return exposed.image_features(exposed.hidden(suspect.unseen)), exposed.text_features(texts)
