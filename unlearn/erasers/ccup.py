"""CCUP, Consistent Class Unlearning Projection (arXiv 2512.14137): erase concepts by name, without data.

The joint space of CLIP is multiplied by one matrix that sends the texts of the erased concepts towards nothing and
leaves those of the retained ones where they are. :mod:`unlearn.erasers.closed_form` has the mathematics of the paper's
two forms, :mod:`unlearn.erasers.paired` that of the default, which was made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from unlearn.caching import PerEncoder
from unlearn.concepts import (
    TEMPLATES,
    Concept,
    Selection,
    Vocabulary,
    load_vocabulary,
    select,
    surface_forms,
)
from unlearn.encoders import EditedEncoder, OpenClipEncoder, TextImageEncoder, class_embeddings
from unlearn.erasers import closed_form, paired
from unlearn.erasers.closed_form import Projection, RetainFactor
from unlearn.errors import ErasureFileError, require_choice, require_fraction, require_positive
from unlearn.projections import baked_weights

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
        side: which embeddings are edited: ``image``, ``text`` or ``both``.
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
        require_fraction("strength", self.strength)
        require_positive("lambda", self.lam, largest=1e6)
        require_positive("mu", self.mu, largest=1e6, zero_allowed=True)


@dataclass(frozen=True)
class Erasure:
    """A visitor's edit: what was asked, how, and the projection that came of it. A few kilobytes, no weights."""

    selection: Selection
    settings: Settings
    projection: Projection

    method = "ccup"
    settings_type = Settings

    def apply(self, encoder: TextImageEncoder) -> EditedEncoder:
        """``encoder`` seen through this edit; ``encoder`` itself is not changed."""
        return EditedEncoder(encoder, self.projection, self.settings.side)

    def at(self, strength: float) -> Erasure:
        """The same erasure at another strength; nothing is solved again."""
        return replace(
            self, settings=replace(self.settings, strength=strength), projection=self.projection.at(strength)
        )

    def changed_weights(self, encoder: OpenClipEncoder) -> dict[str, Tensor]:
        """The weights of ``encoder`` that differ once the edit is baked into its final projections.

        Raises:
            ModelError: a tower that is edited has no linear projection at its end.
        """
        return baked_weights(encoder.model, self.projection, self.settings.side)

    def save(self, path: Path) -> None:
        """Write the low-rank factors, (d, rank) each, as safetensors."""
        save_file({"left": self.projection.left.contiguous(), "right": self.projection.right.contiguous()}, path)

    @classmethod
    def load(cls, path: Path, selection: Selection, parameters: Mapping[str, Any]) -> Erasure:
        """Read what :meth:`save` wrote.

        Raises:
            ErasureFileError: not two finite matrices of one shape.
        """
        try:
            factors = load_file(path)
            left, right = factors["left"], factors["right"]
            settings = cls.settings_type(**parameters)
        except (OSError, SafetensorError, KeyError, TypeError) as error:
            raise ErasureFileError(f"“{path.name}” is not a saved projection ({error}).") from error
        if left.ndim != 2 or left.shape != right.shape or not bool(left.isfinite().all() & right.isfinite().all()):
            raise ErasureFileError(f"“{path.name}” does not hold two finite matrices of one shape.")
        return cls(selection, settings, Projection(left.float(), right.float(), settings.strength))


_factors: PerEncoder[RetainFactor] = PerEncoder(most=8)
_surroundings: PerEncoder[paired.Surroundings] = PerEncoder(most=8)


def erase(
    encoder: TextImageEncoder,
    selection: Selection,
    settings: Settings | None = None,
    *,
    vocabulary: Vocabulary | None = None,
) -> Erasure:
    """Fit CCUP for ``selection`` on ``encoder``; no picture is needed.

    Args:
        encoder: the model whose joint space is edited.
        selection: forget and retain set, from :func:`unlearn.concepts.select`.
        settings: mode, strength, λ, μ, side.
        vocabulary: gives the sentences a name is put into; where the retain set is most of it, its factor is reused.
    """
    settings = settings or Settings()
    vocabulary = vocabulary or load_vocabulary()
    texts = [forget_texts(encoder, concept, settings, vocabulary.templates).T for concept in selection.forget]
    if settings.mode == "paired":
        around = _around(encoder, selection, settings.mu, vocabulary)
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


def forget_texts(
    encoder: TextImageEncoder, concept: Concept, settings: Settings, templates: Sequence[str] = TEMPLATES
) -> Tensor:
    """The texts that span ``concept``, one row for each way of writing it, (m, d): the mean over the templates."""
    forms = surface_forms(concept, synonyms=settings.synonyms)
    return class_embeddings(encoder, forms, templates)


def _factor(encoder: TextImageEncoder, selection: Selection, mu: float, vocabulary: Vocabulary) -> RetainFactor:
    """The retain set factored for the paper's form."""
    names, removed = _retained(selection, vocabulary)
    texts = class_embeddings(encoder, names, vocabulary.templates).T
    factor = _factors.get(encoder, (names, vocabulary.templates, mu), lambda: RetainFactor.fit(texts, mu))
    return factor.without(texts[:, removed])


def _around(encoder: TextImageEncoder, selection: Selection, mu: float, vocabulary: Vocabulary) -> paired.Surroundings:
    """The retain set factored for the paired form."""
    names, removed = _retained(selection, vocabulary)
    texts = class_embeddings(encoder, names, vocabulary.templates).T
    key = (names, vocabulary.templates, mu)
    return _surroundings.get(encoder, key, lambda: paired.Surroundings.fit(texts, mu)).without(removed)


def _retained(selection: Selection, vocabulary: Vocabulary) -> tuple[tuple[str, ...], list[int]]:
    """The names to factor, and the positions to take out again: "the vocabulary less a few" shares one factor."""
    kept = set(selection.retain)
    removed = [i for i, name in enumerate(vocabulary.names) if name not in kept]
    rest_of_vocabulary = len(removed) + len(kept) == len(vocabulary.names) and len(removed) < len(kept)
    return (vocabulary.names, removed) if rest_of_vocabulary else (selection.retain, [])
