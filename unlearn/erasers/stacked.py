"""CCUP on top of CLIPErase: the weights are fine-tuned, then the joint space that came of it is projected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from unlearn.clip.encoders import EditedEncoder, OpenClipEncoder
from unlearn.concepts.selection import Selection, Vocabulary, unite
from unlearn.erasers import ccup, cliperase
from unlearn.erasers.settings import CCUPSettings, StackedSettings

TUNED = "tuned."
Value = TypeVar("Value")


@dataclass(frozen=True, eq=False)
class Erasure:
    """Both edits, the second solved on what the first came to."""

    tuned: cliperase.Erasure
    closed_form: ccup.Erasure

    method = "stacked"

    @property
    def selection(self) -> Selection:
        """What either part erases, CCUP's first, and what either retains of the rest."""
        return unite([self.closed_form.selection, self.tuned.selection])

    @property
    def settings(self) -> StackedSettings:
        return StackedSettings(self.tuned.settings, self.closed_form.settings)

    def apply(self, encoder: OpenClipEncoder) -> EditedEncoder:
        """``encoder`` with both edits; as for CLIPErase alone, keep the result."""
        return self.closed_form.apply(self.tuned.apply(encoder))

    def changed_weights(self, encoder: OpenClipEncoder) -> dict[str, Tensor]:
        """The weights of ``encoder`` that differ once both edits are baked in.

        Raises:
            ModelError: a tower that is edited has no linear projection at its end.
        """
        tuned = self.tuned.apply(encoder)
        return self.tuned.changed_weights(encoder) | self.closed_form.changed_weights(tuned)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The changed weights and the projection's factors: what a file of this erasure holds."""
        return {TUNED + name: tensor for name, tensor in self.tuned.delta.items()} | self.closed_form.tensors

    @staticmethod
    def check_shapes(shapes: Mapping[str, tuple[int, ...]], encoder: OpenClipEncoder) -> None:
        """Nothing, if tensors of these ``shapes`` are an erasure of ``encoder``.

        Raises:
            ErasureFileError: they are not.
        """
        tuned, factors = split(shapes)
        cliperase.Erasure.check_shapes(tuned, encoder)
        ccup.Erasure.check_shapes(factors, encoder)


def split(named: Mapping[str, Value]) -> tuple[dict[str, Value], dict[str, Value]]:
    """Of :attr:`Erasure.tensors`, what belongs to the fine-tuned weights and what to the projection, as named there."""
    tuned = {name.removeprefix(TUNED): value for name, value in named.items() if name.startswith(TUNED)}
    return tuned, {name: value for name, value in named.items() if not name.startswith(TUNED)}


def on_top(
    encoder: OpenClipEncoder,
    tuned: cliperase.Erasure,
    settings: CCUPSettings | None = None,
    *,
    selection: Selection | None = None,
    vocabulary: Vocabulary | None = None,
) -> Erasure:
    """Solve CCUP on what ``tuned`` makes of ``encoder``: fine-tuning put the words elsewhere.

    It erases what ``tuned`` does, or what ``selection`` names.
    """
    closed_form = ccup.erase(tuned.apply(encoder), selection or tuned.selection, settings, vocabulary=vocabulary)
    return Erasure(tuned, closed_form)
