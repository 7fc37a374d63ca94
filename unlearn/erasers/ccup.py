"""CCUP, Consistent Class Unlearning Projection (arXiv 2512.14137): erase concepts by name, without data.

The joint space of CLIP is multiplied by one matrix that sends the texts of the erased concepts towards nothing and
leaves those of the retained ones where they are. :mod:`unlearn.erasers.closed_form` has the mathematics of the paper's
two forms, :mod:`unlearn.erasers.paired` that of the default, which was made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from unlearn.caching import PerOwner
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
from unlearn.erasers.settings import CCUPSettings


class Erasure(Projected[CCUPSettings]):
    """A visitor's edit."""

    method = "ccup"
    settings_type = CCUPSettings


_factors: PerOwner[RetainFactor] = PerOwner(most=8)
_surroundings: PerOwner[paired.Surroundings] = PerOwner(most=8)


def erase(
    encoder: TextImageEncoder,
    selection: Selection,
    settings: CCUPSettings | None = None,
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
    settings = settings or CCUPSettings()
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
        **settings: fields of :class:`CCUPSettings`.

    Raises:
        ConceptError, ParameterError: an argument cannot be used.
    """
    vocabulary = load_vocabulary()
    selection = select(forget, retain, vocabulary=vocabulary)
    return erase(encoder, selection, CCUPSettings(**settings), vocabulary=vocabulary).apply(encoder)


def forget_texts(
    encoder: TextImageEncoder, concept: Concept, settings: CCUPSettings, templates: Sequence[str]
) -> Tensor:
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
