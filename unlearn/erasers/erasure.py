"""What every method ends as, and what those share that end as one projection of the joint space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeVar

from torch import Tensor

from unlearn.clip.encoders import EditedEncoder, OpenClipEncoder, TextImageEncoder
from unlearn.clip.final_projections import baked_weights
from unlearn.clip.projection import Projection
from unlearn.concepts.selection import Selection
from unlearn.errors import ErasureFileError
from unlearn.files.schemas import RefusedError, check

if TYPE_CHECKING:
    from unlearn.erasers import cliperase

#: Largest norm of a factor of an edit that was read. Those that are made here have less than a thousand.
MOST_NORM = 1e6


class Erasure(Protocol):
    """A value that can be applied to an encoder, baked into weights, and kept.

    It is made of weights that were fine-tuned (``tuned``), of a projection (``closed_form``), or of both; what is made
    of one alone is that part itself.
    """

    @property
    def method(self) -> str: ...
    @property
    def selection(self) -> Selection: ...
    @property
    def settings(self) -> Any: ...
    @property
    def tensors(self) -> dict[str, Tensor]: ...
    @property
    def tuned(self) -> cliperase.Erasure | None: ...
    @property
    def closed_form(self) -> Projected[Any] | None: ...
    def apply(self, encoder: Any) -> TextImageEncoder: ...
    def changed_weights(self, encoder: OpenClipEncoder) -> dict[str, Tensor]: ...


class SidedSettings(Protocol):
    """Settings of an edit that has a side and a strength: any dataclass with these two."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def side(self) -> str: ...
    @property
    def strength(self) -> float: ...


Given = TypeVar("Given", bound=SidedSettings)


@dataclass(frozen=True)
class Projected(Generic[Given]):
    """What was asked, how, and the projection that came of it. A few kilobytes, no weights."""

    selection: Selection
    settings: Given
    projection: Projection

    method: ClassVar[str]
    settings_type: ClassVar[type[Any]]
    tuned: ClassVar[None] = None

    @property
    def closed_form(self) -> Self:
        return self

    def apply(self, encoder: TextImageEncoder) -> EditedEncoder:
        """``encoder`` seen through this edit; ``encoder`` itself is not changed."""
        return EditedEncoder(encoder, self.projection, self.settings.side)

    def at(self, strength: float) -> Self:
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

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The low-rank factors, (embed_dim, rank) each: what a file of this erasure holds."""
        return {"left": self.projection.left, "right": self.projection.right}

    @staticmethod
    def check_shapes(shapes: Mapping[str, tuple[int, ...]], encoder: TextImageEncoder) -> None:
        """Nothing, if tensors of these ``shapes`` are an erasure of ``encoder``.

        Raises:
            ErasureFileError: they are not.
        """
        d = encoder.embed_dim
        left = shapes.get("left", ())
        if set(shapes) != {"left", "right"} or left != shapes["right"] or len(left) != 2:
            raise ErasureFileError("A CCUP erasure is two matrices of one shape, “left” and “right”; this file is not.")
        if left[0] != d or left[1] > 16 * d:  # the paired form has a column a concept
            raise ErasureFileError(f"The factors are {left[0]} × {left[1]}; “{encoder.name}” embeds in {d} dimensions.")

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor], selection: Selection, parameters: Mapping[str, Any]) -> Self:
        """The erasure whose :attr:`tensors` these are; ``parameters`` are fields of its settings.

        Raises:
            RefusedError, ParameterError: they are not, or the factors are too large.
        """
        settings = check(cls.settings_type, parameters)
        # No product of factors under this bound with an embedding of unit length overflows, nor does its square.
        if not all(tensor.double().norm() < MOST_NORM for tensor in tensors.values()):
            raise RefusedError("it holds factors so large that no embedding stays a number")
        return cls(selection, settings, Projection(tensors["left"], tensors["right"], settings.strength))
