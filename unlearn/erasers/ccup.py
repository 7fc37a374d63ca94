"""CCUP, Consistent Class Unlearning Projection (arXiv 2512.14137): a closed-form edit of CLIP's joint space.

With the forget texts as columns of ``T_f`` and the retain texts as columns of ``T_r``, the projection minimises

    ‖P − I‖² + λ‖P T_f − (1−α) T_f‖² + μ‖P T_r − T_r‖²                                              (consistent)

whose solution, with A = I + μ T_r T_rᵀ, is a rank-m_f change of the identity

    P = I − α T_f (I/λ + T_fᵀ A⁻¹ T_f)⁻¹ T_fᵀ A⁻¹.

Its limit λ→∞, μ=0 is the orthogonal projection off the span of the forget texts, P = I − α U Uᵀ     (nullspace).

A depends on the retain set alone, so :class:`RetainFactor` factors it once; a new concept or strength then costs
O(d² m_f) or nothing. P is not symmetric: pictures take ``f @ P``, texts ``t @ Pᵀ``.
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
from unlearn.errors import ErasureFileError, require_choice, require_fraction, require_positive
from unlearn.projections import final_projection

MODES = ("consistent", "nullspace")
SIDES = ("image", "text", "both")


@dataclass(frozen=True)
class Settings:
    """How to erase; :data:`MODES` and :data:`SIDES` list the choices. The defaults were chosen by measuring: README.

    Attributes:
        mode: ``consistent`` protects the retain set, ``nullspace`` is the paper's plain projection.
        strength: α from 0 (the identity) to 1 (the concept's texts go to nothing).
        lam: λ, weight of forgetting.
        mu: μ, weight of retaining; ``consistent`` only, like ``lam``.
        side: which embeddings are edited: ``image``, ``text`` or ``both``.
        synonyms: whether plural and synonyms of a concept belong to its forget set.
    """

    mode: str = "consistent"
    strength: float = 1.0
    lam: float = 100.0
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
class Projection:
    """P = I − strength · left @ rightᵀ, kept as its factors: ``left`` and ``right`` are (d, rank)."""

    left: Tensor
    right: Tensor
    strength: float = 1.0

    @property
    def rank(self) -> int:
        return int(self.left.shape[1])

    @property
    def matrix(self) -> Tensor:
        """P itself, (d, d)."""
        identity = torch.eye(self.left.shape[0], dtype=self.left.dtype)
        return identity - self.strength * self.left @ self.right.T

    def on_images(self, features: Tensor) -> Tensor:
        """``features @ P`` for image embeddings (n, d)."""
        # Exactly the features at strength 0, whatever the factors hold.
        return features - self.strength * (features @ self.left) @ self.right.T if self.strength else features

    def on_texts(self, features: Tensor) -> Tensor:
        """``features @ Pᵀ`` for text embeddings (n, d)."""
        return features - self.strength * (features @ self.right) @ self.left.T if self.strength else features

    def at(self, strength: float) -> Projection:
        """The same edit at another strength: only the number changes."""
        return replace(self, strength=require_fraction("strength", strength))


@dataclass(frozen=True)
class RetainFactor:
    """A = I + μ T_r T_rᵀ, (d, d), as its Cholesky factor: all that the retain set contributes.

    ``removed`` (d, k) are retain texts taken out again without factoring anew (Woodbury's identity), so that the
    factor of a whole vocabulary serves every "rest of the vocabulary".
    """

    cholesky: Tensor
    mu: float
    removed: Tensor | None = None

    @classmethod
    def fit(cls, retain: Tensor, mu: float) -> RetainFactor:
        """Factor A for ``retain`` (d, m_r), the retain texts as columns."""
        wide = retain.double()
        a = torch.eye(wide.shape[0], dtype=torch.float64) + mu * wide @ wide.T
        return cls(torch.linalg.cholesky(a), mu)

    def without(self, columns: Tensor) -> RetainFactor:
        """The factor of the retain set less ``columns`` (d, k), which must be among its texts."""
        return replace(self, removed=columns.double() if columns.shape[1] else None)

    def solve(self, columns: Tensor) -> Tensor:
        """A⁻¹ @ ``columns``, (d, m)."""
        solved = torch.cholesky_solve(columns, self.cholesky)
        if self.removed is None or not self.mu:
            return solved
        # (A − μ R Rᵀ)⁻¹ = A⁻¹ + W (I/μ − Rᵀ W)⁻¹ Wᵀ  with  W = A⁻¹ R
        w = torch.cholesky_solve(self.removed, self.cholesky)
        inner = torch.eye(w.shape[1], dtype=torch.float64) / self.mu - self.removed.T @ w
        correction: Tensor = w @ torch.linalg.solve(inner, w.T @ columns)
        return solved + correction


def fit(
    forget: Tensor,
    retain: RetainFactor | None = None,
    *,
    lam: float = Settings.lam,
    strength: float = 1.0,
    energy: float = 1.0,
) -> Projection:
    """Solve for P.

    Args:
        forget: T_f (d, m_f), unit-norm texts as columns; dependent columns are allowed and change nothing.
        retain: factor of the retain set, or None for the nullspace projection.
        lam: λ; unused without ``retain``.
        strength: α.
        energy: share of the forget texts' squared norm whose directions are kept; the rest of them are dropped.

    Returns:
        The projection, float32. Computed in float64: with λ = μ = 100 the system's condition reaches 1e5.
    """
    unique = torch.unique(forget.double(), dim=1)  # a concept named twice is not twice as important
    basis, singular = _leading_directions(unique, energy)
    if retain is None:
        return Projection(basis.float(), basis.float(), strength)
    texts = basis * singular
    solved = retain.solve(texts)
    gram = torch.eye(texts.shape[1], dtype=torch.float64) / lam + texts.T @ solved
    # right = A⁻¹ T_f G⁻¹ with G = I/λ + T_fᵀ A⁻¹ T_f, which is symmetric positive definite.
    right = torch.cholesky_solve(solved.T, torch.linalg.cholesky(gram)).T
    # Balanced scaling keeps both factors near unit size in float32.
    return Projection((texts / singular).float(), (right * singular).float(), strength)


def _leading_directions(columns: Tensor, energy: float) -> tuple[Tensor, Tensor]:
    """Left singular vectors (d, r) and values (r,) of ``columns``, without the numerically null and the last ones."""
    u, s, _ = torch.linalg.svd(columns, full_matrices=False)
    share = (s**2).cumsum(0) / (s**2).sum()
    # Keep every direction up to the one that reaches the wanted energy.
    keep = (s > s[0] * 1e-5) & (torch.cat([share.new_zeros(1), share[:-1]]) < energy)
    return u[:, keep], s[keep]


@dataclass(frozen=True)
class Erasure:
    """A visitor's edit: what was asked, how, and the projection that came of it. A few kilobytes, no weights."""

    selection: Selection
    settings: Settings
    projection: Projection

    method = "ccup"

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
        state = encoder.model.state_dict()
        edits = {"image": self.projection.matrix, "text": self.projection.matrix.T}
        changed: dict[str, Tensor] = {}
        for tower in edits if self.settings.side == "both" else (self.settings.side,):
            changed |= final_projection(encoder.model, tower).bake(state, edits[tower])
        return changed

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
            settings = Settings(**parameters)
        except (OSError, SafetensorError, KeyError, TypeError) as error:
            raise ErasureFileError(f"“{path.name}” is not a saved CCUP erasure ({error}).") from error
        if left.ndim != 2 or left.shape != right.shape or not bool(left.isfinite().all() & right.isfinite().all()):
            raise ErasureFileError(f"“{path.name}” does not hold two finite matrices of one shape.")
        return cls(selection, settings, Projection(left.float(), right.float(), settings.strength))


_factors: PerEncoder[RetainFactor] = PerEncoder(most=8)


def erase(
    encoder: TextImageEncoder,
    selection: Selection,
    settings: Settings | None = None,
    *,
    vocabulary: Vocabulary | None = None,
    templates: Sequence[str] = TEMPLATES,
) -> Erasure:
    """Fit CCUP for ``selection`` on ``encoder``; no picture is needed.

    Args:
        encoder: the model whose joint space is edited.
        selection: forget and retain set, from :func:`unlearn.concepts.select`.
        settings: mode, strength, λ, μ, side.
        vocabulary: where the retain set is most of it, its cached factor is reused.
        templates: prompts that a name is put into.
    """
    settings = settings or Settings()
    vocabulary = vocabulary or load_vocabulary()
    columns = torch.cat([forget_texts(encoder, c, settings, templates) for c in selection.forget]).T
    retain = _retain_factor(encoder, selection, settings.mu, vocabulary) if settings.mode == "consistent" else None
    projection = fit(columns, retain, lam=settings.lam, strength=settings.strength)
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


def _retain_factor(encoder: TextImageEncoder, selection: Selection, mu: float, vocabulary: Vocabulary) -> RetainFactor:
    """Factor the retain set; "the vocabulary less a few" starts from the vocabulary's own, cached factor."""
    kept = set(selection.retain)
    removed = [i for i, name in enumerate(vocabulary.names) if name not in kept]
    rest_of_vocabulary = len(removed) + len(kept) == len(vocabulary.names) and len(removed) < len(kept)
    names = vocabulary.names if rest_of_vocabulary else selection.retain
    texts = class_embeddings(encoder, names)
    factor = _factors.get(encoder, (names, mu), lambda: RetainFactor.fit(texts.T, mu))
    return factor.without(texts[removed].T) if rest_of_vocabulary else factor
