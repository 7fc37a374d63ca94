"""CCUP, Consistent Class Unlearning Projection (arXiv 2512.14137): erase concepts by name, without data.

The joint space of CLIP is multiplied by one matrix that sends the texts of the erased concepts towards nothing and
leaves those of the retained ones where they are. :mod:`unlearn.erasers.closed_form` has the mathematics of the paper's
two forms, :mod:`unlearn.erasers.paired` that of the default, which was made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from unlearn.caching import PerEncoder
from unlearn.concepts import (
    Concept,
    Selection,
    Vocabulary,
    load_vocabulary,
    select,
    surface_forms,
)
from unlearn.encoders import EditedEncoder, TextImageEncoder, class_embeddings
from unlearn.erasers import closed_form, paired
from unlearn.erasers.closed_form import RetainFactor
from unlearn.erasers.erasure import Projected
from unlearn.errors import ParameterError, require_choice, require_fraction, require_positive

MODES = ("paired", "consistent", "nullspace")
SIDES = ("image", "text", "both")


@dataclass(frozen=True)
class Settings:
    """How to erase; :data:`MODES` and :data:`SIDES` list the choices. The defaults were chosen by measuring: README.

    Attributes:
        mode: ``paired`` acts where the concept's pictures and texts meet; of the paper's two forms ``consistent``
            protects the retain set and ``nullspace`` is a plain projection.
        strength: α from 0 (the identity) to 1 (the concept's texts go to nothing).
        lam: λ, weight of forgetting; unused by ``nullspace``, like ``mu``.
        mu: μ, weight of retaining.
        side: which embeddings are edited: ``image``, ``text`` or, but for ``paired``, ``both``.
        synonyms: whether plural and synonyms of a concept belong to its forget set.
    """

    mode: str = "paired"
    strength: float = 1.0
    lam: float = 1000.0
    mu: float = 100.0
    side: str = "image"
    synonyms: bool = True

    def __post_init__(self) -> None:
        require_choice("mode", self.mode, MODES)
        require_choice("side", self.side, SIDES)
        if self.mode == "paired" and self.side == "both":
            raise ParameterError(
                "The paired form changes the score of a picture with a text, which is done on one side: edit pictures "
                "or texts, or choose “consistent” or “nullspace” to edit both."
            )
        require_fraction("strength", self.strength)
        require_positive("lambda", self.lam, largest=1e6)
        require_positive("mu", self.mu, largest=1e6, zero_allowed=True)

    def in_mode(self, mode: str) -> Settings:
        """The same in another mode; the paired form edits pictures where both sides were asked for."""
        side = "image" if mode == "paired" and self.side == "both" else self.side
        return replace(self, mode=mode, side=side)


class Erasure(Projected[Settings]):
    """A visitor's edit."""

    method = "ccup"
    settings_type = Settings


_factors: PerEncoder[RetainFactor] = PerEncoder(most=8)
_surroundings: PerEncoder[paired.Surroundings] = PerEncoder(most=8)


def erase(
    encoder: TextImageEncoder,
    selection: Selection,
    settings: Settings | None = None,
    *,
    vocabulary: Vocabulary | None = None,
    constants: paired.Constants = paired.CHOSEN,
) -> Erasure:
    """Fit CCUP for ``selection`` on ``encoder``; no picture is needed.

    Args:
        encoder: the model whose joint space is edited.
        selection: forget and retain set, from :func:`unlearn.concepts.select`.
        settings: mode, strength, λ, μ, side.
        vocabulary: gives the sentences a name is put into; where the retain set is most of it, its factor is reused.
        constants: of the paired form.
    """
    settings = settings or Settings()
    vocabulary = vocabulary or load_vocabulary()
    texts = [forget_texts(encoder, concept, settings, vocabulary.templates).T for concept in selection.forget]
    if settings.mode == "paired":
        around = _around(encoder, selection, settings.mu, vocabulary, constants)
        projection = paired.fit(texts, around, lam=settings.lam, strength=settings.strength)
    else:
        factor = _factor(encoder, selection, settings.mu, vocabulary) if settings.mode == "consistent" else None
        projection = closed_form.fit(torch.cat(texts, dim=1), factor, lam=settings.lam, strength=settings.strength)
    return Erasure(selection, settings, projection)


def ccup(
    encoder: TextImageEncoder,
    forget: str | Iterable[str],
    retain: str | Iterable[str] | None = None,
    **settings: Any,
) -> EditedEncoder:
    """Erase concepts by name: ``ccup(load_clip("pocket"), ["cat", "dog"], strength=0.8)``.

    Args:
        encoder: the model; it is not changed.
        forget: concepts to erase.
        retain: concepts to protect; the rest of the bundled vocabulary by default.
        **settings: fields of :class:`Settings`.

    Raises:
        ConceptError, ParameterError: an argument cannot be used.
    """
    vocabulary = load_vocabulary()
    selection = select(forget, retain, vocabulary=vocabulary)
    return erase(encoder, selection, Settings(**settings), vocabulary=vocabulary).apply(encoder)


def forget_texts(encoder: TextImageEncoder, concept: Concept, settings: Settings, templates: Sequence[str]) -> Tensor:
    """The texts that span ``concept``, one row for each way of writing it, (m, d): the mean over the templates."""
    forms = surface_forms(concept, synonyms=settings.synonyms)
    return class_embeddings(encoder, forms, templates)


def _factor(encoder: TextImageEncoder, selection: Selection, mu: float, vocabulary: Vocabulary) -> RetainFactor:
    """The retain set factored for the paper's form."""
    names, removed = selection.retained_of(vocabulary)
    texts = class_embeddings(encoder, names, vocabulary.templates).T
    factor = _factors.get(encoder, (names, vocabulary.templates, mu), lambda: RetainFactor.fit(texts, mu))
    return factor.without(texts[:, removed])


def _around(
    encoder: TextImageEncoder, selection: Selection, mu: float, vocabulary: Vocabulary, constants: paired.Constants
) -> paired.Surroundings:
    """The retain set factored for the paired form."""
    names, removed = selection.retained_of(vocabulary)
    texts = class_embeddings(encoder, names, vocabulary.templates).T
    key = (names, vocabulary.templates, mu, constants)
    return _surroundings.get(encoder, key, lambda: paired.Surroundings.fit(texts, mu, constants)).without(removed)
