"""CCUP on top of CLIPErase: the weights are fine-tuned, then the joint space that came of it is projected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from unlearn.concepts import Selection, Vocabulary
from unlearn.encoders import EditedEncoder, OpenClipEncoder
from unlearn.erasers import ccup, cliperase
from unlearn.erasers.closed_form import Projection
from unlearn.errors import ErasureFileError

TUNED, LEFT, RIGHT = "tuned.", "left", "right"


@dataclass(frozen=True)
class Settings:
    """The settings of both parts."""

    cliperase: cliperase.Settings
    ccup: ccup.Settings


@dataclass(frozen=True, eq=False)
class Erasure:
    """Both edits, the second solved on what the first came to."""

    tuned: cliperase.Erasure
    closed_form: ccup.Erasure

    method = "stacked"

    @property
    def selection(self) -> Selection:
        return self.tuned.selection

    @property
    def settings(self) -> Settings:
        return Settings(self.tuned.settings, self.closed_form.settings)

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

    def save(self, path: Path) -> None:
        """Write the changed weights and the projection's factors as safetensors."""
        projection = self.closed_form.projection
        tensors = {TUNED + name: tensor for name, tensor in self.tuned.delta.items()}
        tensors |= {LEFT: projection.left, RIGHT: projection.right}
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)

    @classmethod
    def load(cls, path: Path, selection: Selection, parameters: Mapping[str, Any]) -> Erasure:
        """Read what :meth:`save` wrote.

        Raises:
            ErasureFileError: not a file of finite weights, or not this method's parameters.
        """
        try:
            tensors = load_file(path)
            tuned, closed_form = cliperase.Settings(**parameters["cliperase"]), ccup.Settings(**parameters["ccup"])
            projection = Projection(tensors.pop(LEFT), tensors.pop(RIGHT), closed_form.strength)
        except (OSError, SafetensorError, KeyError, TypeError) as error:
            raise ErasureFileError(f"“{path.name}” is not a saved stacked erasure ({error}).") from error
        if not all(bool(t.isfinite().all()) for t in (*tensors.values(), projection.left, projection.right)):
            raise ErasureFileError(f"“{path.name}” holds weights that are not finite numbers.")
        delta = {name.removeprefix(TUNED): tensor for name, tensor in tensors.items()}
        return cls(cliperase.Erasure(selection, tuned, delta), ccup.Erasure(selection, closed_form, projection))


def on_top(
    encoder: OpenClipEncoder,
    tuned: cliperase.Erasure,
    settings: ccup.Settings | None = None,
    *,
    vocabulary: Vocabulary | None = None,
) -> Erasure:
    """Solve CCUP on what ``tuned`` makes of ``encoder``: fine-tuning put the words elsewhere."""
    closed_form = ccup.erase(tuned.apply(encoder), tuned.selection, settings, vocabulary=vocabulary)
    return Erasure(tuned, closed_form)
