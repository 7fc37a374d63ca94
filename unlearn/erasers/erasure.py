"""Results of erasing methods: frozen values that edit a model, and stacks of two of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Self, TypeVar

from torch import Tensor

from unlearn.clip.encoders import EditedEncoder, OpenClipEncoder, TextImageEncoder
from unlearn.clip.final_projections import baked_weights
from unlearn.clip.projection import Projection
from unlearn.clip.weights import require_shapes, with_weights
from unlearn.concepts.selection import Selection, unite
from unlearn.erasers.settings import LIVE, CCUPSettings, CLIPEraseSettings, StackedSettings
from unlearn.erasers.variants import FINE_TUNED
from unlearn.finetuning.prepared import tuned_encoder

#: Prefix of the names of a stacked erasure's fine-tuned tensors.
TUNED = "tuned."
Asked = TypeVar("Asked", bound=Any)
Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Erasure(Generic[Asked]):
    """A method with its selection and settings, and its edit: either weights or a projection of the joint space.

    Attributes:
        method: ``ccup``, ``cliperase`` or ``baseline``.
        selection: forget and retain set.
        settings: the method's settings, the strength among them.
        delta: fine-tuned weights at full strength, by their names in the model; all others are the base model's.
        projection: projection of the joint space, a few kilobytes.
    """

    method: str
    selection: Selection
    settings: Asked
    delta: Mapping[str, Tensor] | None = None
    projection: Projection | None = None

    @property
    def parts(self) -> tuple[Erasure[Any], ...]:
        """The erasures that this one consists of, if it is stacked: none."""
        return ()

    @property
    def tuned(self) -> Self | None:
        """This erasure if it changes weights, else None."""
        return self if self.delta is not None else None

    @property
    def closed_form(self) -> Self | None:
        """This erasure if it is a projection, else None."""
        return self if self.projection is not None else None

    def fine_tuned(self, encoder: OpenClipEncoder) -> OpenClipEncoder:
        """Return ``encoder`` with the fine-tuned weights, if there are any. All other weights are shared.

        Every call makes a model with its own caches, so keep the result.

        Raises:
            ModelError: ``encoder`` has another architecture than the model that was fine-tuned.
        """
        if self.delta is None:
            return encoder
        weights, name = self._mixed(encoder, self.delta), encoder.name + FINE_TUNED
        if self.settings.trainable in LIVE:
            return tuned_encoder(encoder, weights, self.settings.trainable, name=name)
        return with_weights(encoder, weights, name=name)

    def _mixed(self, encoder: OpenClipEncoder, trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return base + strength · (trained − base) for every trained tensor; at 0 and 1 exactly one of both.

        Raises:
            ModelError: ``encoder`` has no such tensor, or it has another shape.
        """
        strength: float = self.settings.strength
        if strength == 1:
            return dict(trained)
        base = encoder.model.state_dict()
        require_shapes(base, trained)
        return {name: base[name].float().cpu().lerp(tensor, strength) for name, tensor in trained.items()}

    def apply(self, encoder: Any) -> TextImageEncoder:
        """Return ``encoder`` with this edit; ``encoder`` itself is not changed.

        Fine-tuned weights need an :class:`OpenClipEncoder`, as in :meth:`fine_tuned`; a projection takes any encoder.
        """
        tuned = self.fine_tuned(encoder)
        return tuned if self.projection is None else EditedEncoder(tuned, self.projection, self.settings.side)

    def at(self, strength: float) -> Self:
        """Return the same edit at another strength, without solving or training again."""
        return replace(
            self,
            settings=replace(self.settings, strength=strength),
            projection=self.projection and self.projection.at(strength),
        )

    def changed_weights(self, encoder: OpenClipEncoder) -> dict[str, Tensor]:
        """Return the weights of ``encoder`` that change if the edit is merged into them.

        A projection of the joint space is merged into the final projections of the towers.

        Raises:
            ModelError: an edited tower does not end in a linear projection.
        """
        if self.projection is None:
            return self._mixed(encoder, self.delta) if self.delta else {}
        return baked_weights(encoder.model, self.projection, self.settings.side)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors of an erasure file, at full strength: the trained weights, or the projection's factors."""
        if self.projection is None:
            return dict(self.delta or {})
        return {"left": self.projection.left, "right": self.projection.right}


@dataclass(frozen=True, eq=False)
class Stacked:
    """CCUP on top of CLIPErase: the projection is solved on text embeddings of the fine-tuned model."""

    tuned: Erasure[CLIPEraseSettings]
    closed_form: Erasure[CCUPSettings]

    method: ClassVar[str] = "stacked"

    @property
    def parts(self) -> tuple[Erasure[Any], ...]:
        """CLIPErase, and CCUP on top of it."""
        return self.tuned, self.closed_form

    @property
    def selection(self) -> Selection:
        """The concepts that either part erases, CCUP's first, and those of the other concepts that either retains."""
        return unite([self.closed_form.selection, self.tuned.selection])

    @property
    def settings(self) -> StackedSettings:
        return StackedSettings(self.tuned.settings, self.closed_form.settings)

    def fine_tuned(self, encoder: OpenClipEncoder) -> OpenClipEncoder:
        """Return ``encoder`` with only the fine-tuned weights; keep the result."""
        return self.tuned.fine_tuned(encoder)

    def apply(self, encoder: OpenClipEncoder) -> TextImageEncoder:
        """Return ``encoder`` with both edits; keep the result."""
        return self.closed_form.apply(self.fine_tuned(encoder))

    def changed_weights(self, encoder: OpenClipEncoder) -> dict[str, Tensor]:
        """Return the weights of ``encoder`` that change if both edits are merged into them.

        Raises:
            ModelError: an edited tower does not end in a linear projection.
        """
        return self.tuned.changed_weights(encoder) | self.closed_form.changed_weights(self.fine_tuned(encoder))

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors that an erasure file holds: the fine-tuned weights and the projection's factors."""
        return {TUNED + name: tensor for name, tensor in self.tuned.tensors.items()} | self.closed_form.tensors


AnyErasure = Erasure[Any] | Stacked


def split(named: Mapping[str, Value]) -> tuple[dict[str, Value], dict[str, Value]]:
    """Split a mapping with the names of :attr:`Stacked.tensors` into fine-tuned weights and projection factors."""
    tuned = {name.removeprefix(TUNED): value for name, value in named.items() if name.startswith(TUNED)}
    return tuned, {name: value for name, value in named.items() if not name.startswith(TUNED)}
