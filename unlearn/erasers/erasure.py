"""Result of a method: a frozen value that edits a model, or two of them, one on top of the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Self, TypeVar

from torch import Tensor

from unlearn.clip.encoders import EditedEncoder, OpenClipEncoder, TextImageEncoder
from unlearn.clip.final_projections import baked_weights
from unlearn.clip.projection import Projection
from unlearn.clip.weights import with_weights
from unlearn.concepts.selection import Selection, unite
from unlearn.erasers.settings import CCUPSettings, CLIPEraseSettings, StackedSettings
from unlearn.erasers.variants import FINE_TUNED

#: Begins the names of a stacked erasure's fine-tuned tensors.
TUNED = "tuned."
Asked = TypeVar("Asked", bound=Any)
Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Erasure(Generic[Asked]):
    """What was asked of one method, and its edit: either weights or a projection of the joint space.

    Attributes:
        method: ``ccup``, ``cliperase`` or ``baseline``.
        selection: forget and retain set.
        settings: of the method; those of a projection name its side and strength.
        delta: fine-tuned weights by their names in the model; all others are the base model's.
        projection: of the joint space, a few kilobytes.
    """

    method: str
    selection: Selection
    settings: Asked
    delta: Mapping[str, Tensor] | None = None
    projection: Projection | None = None

    @property
    def tuned(self) -> Self | None:
        """This erasure where it is one of weights."""
        return self if self.delta is not None else None

    @property
    def closed_form(self) -> Self | None:
        """This erasure where it is a projection."""
        return self if self.projection is not None else None

    def fine_tuned(self, encoder: OpenClipEncoder) -> OpenClipEncoder:
        """``encoder`` with the fine-tuned weights, if there are any. It shares all others with ``encoder``.

        Every call makes a model with caches of its own: keep the result.

        Raises:
            ModelError: ``encoder`` is of another architecture than the one this was trained on.
        """
        return encoder if self.delta is None else with_weights(encoder, self.delta, name=encoder.name + FINE_TUNED)

    def apply(self, encoder: Any) -> TextImageEncoder:
        """``encoder`` with this edit; ``encoder`` itself is not changed.

        Weights take an :class:`OpenClipEncoder`, as :meth:`fine_tuned` does, a projection any encoder.
        """
        tuned = self.fine_tuned(encoder)
        return tuned if self.projection is None else EditedEncoder(tuned, self.projection, self.settings.side)

    def at(self, strength: float) -> Self:
        """The same projection at another strength; nothing is solved again."""
        return replace(
            self,
            settings=replace(self.settings, strength=strength),
            projection=self.projection and self.projection.at(strength),
        )

    def changed_weights(self, encoder: OpenClipEncoder) -> dict[str, Tensor]:
        """The weights of ``encoder`` that differ once the edit is baked in, a projection into the final projections.

        Raises:
            ModelError: a tower that is edited has no linear projection at its end.
        """
        if self.projection is None:
            return dict(self.delta or {})
        return baked_weights(encoder.model, self.projection, self.settings.side)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The weights, or the factors (embed_dim, rank) of the projection: what a file of this erasure holds."""
        if self.projection is None:
            return dict(self.delta or {})
        return {"left": self.projection.left, "right": self.projection.right}


@dataclass(frozen=True, eq=False)
class Stacked:
    """CCUP on top of CLIPErase: the projection is solved on what the fine-tuned weights make of the words."""

    tuned: Erasure[CLIPEraseSettings]
    closed_form: Erasure[CCUPSettings]

    method: ClassVar[str] = "stacked"

    @property
    def selection(self) -> Selection:
        """What either part erases, CCUP's first, and what either retains of the rest."""
        return unite([self.closed_form.selection, self.tuned.selection])

    @property
    def settings(self) -> StackedSettings:
        return StackedSettings(self.tuned.settings, self.closed_form.settings)

    def fine_tuned(self, encoder: OpenClipEncoder) -> OpenClipEncoder:
        """``encoder`` with the fine-tuned weights alone; keep the result."""
        return self.tuned.fine_tuned(encoder)

    def apply(self, encoder: OpenClipEncoder) -> TextImageEncoder:
        """``encoder`` with both edits; keep the result."""
        return self.closed_form.apply(self.fine_tuned(encoder))

    def changed_weights(self, encoder: OpenClipEncoder) -> dict[str, Tensor]:
        """The weights of ``encoder`` that differ once both edits are baked in.

        Raises:
            ModelError: a tower that is edited has no linear projection at its end.
        """
        return self.tuned.changed_weights(encoder) | self.closed_form.changed_weights(self.fine_tuned(encoder))

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The changed weights and the projection's factors: what a file of this erasure holds."""
        return {TUNED + name: tensor for name, tensor in self.tuned.tensors.items()} | self.closed_form.tensors


AnyErasure = Erasure[Any] | Stacked


def split(named: Mapping[str, Value]) -> tuple[dict[str, Value], dict[str, Value]]:
    """:attr:`Stacked.tensors` by the part that they belong to, as named there: fine-tuned weights, and factors."""
    tuned = {name.removeprefix(TUNED): value for name, value in named.items() if name.startswith(TUNED)}
    return tuned, {name: value for name, value in named.items() if not name.startswith(TUNED)}
