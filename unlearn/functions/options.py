"""Arguments of :func:`unlearn.erase` by method, for type checkers and editors (PEP 692).

The fields are those of the settings in :mod:`unlearn.erasers.settings`, except settings that a method fixes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

from unlearn.jobs import Progress

if TYPE_CHECKING:
    from unlearn.functions.recorded import RecordedErasure

#: Function that is called with the work done, the total, and a text about the current work.
OnProgress: TypeAlias = Callable[[Progress], object]
#: Function that is called with a sentence that the user should read at once.
OnNotice: TypeAlias = Callable[[str], object]
Names: TypeAlias = str | Iterable[str]
Side: TypeAlias = Literal["image", "text", "both"]


class AnyMethod(TypedDict, total=False):
    """Arguments that every method takes."""

    retain: Names | None
    images: str | Path
    vocabulary: Names | Path | None
    seed: int
    on: RecordedErasure | None
    checkpoint: str | Path | None
    measure: bool
    on_progress: OnProgress | None
    on_notice: OnNotice | None


class BaselineOptions(AnyMethod, total=False):
    """Options of the baselines ``random`` and ``leace``."""

    strength: float
    side: Side


class CCUPOptions(AnyMethod, total=False):
    """Options of CCUP."""

    form: Literal["paired", "consistent", "nullspace"]
    strength: float
    lam: float
    mu: float
    side: Side
    synonyms: bool


class CLIPEraseOptions(AnyMethod, total=False):
    """Options of CLIPErase."""

    trainable: Literal["projections", "last_blocks", "all", "lora"]
    forgetting: Literal["cosine", "gradient_ascent"]
    steps: int
    batch_size: int
    learning_rate: float
    retention_weight: float
    forgetting_weight: float
    consistency_weight: float
    lora_rank: int
    precision: Literal["float32", "bfloat16"]
    eval_every: int


class StackedOptions(CLIPEraseOptions, CCUPOptions, total=False):
    """Options of CLIPErase with CCUP on top."""


#: Options by method; a test compares them with the settings that the method takes.
OPTIONS: dict[str, type[AnyMethod]] = {
    "none": AnyMethod,
    "random": BaselineOptions,
    "leace": BaselineOptions,
    "ccup": CCUPOptions,
    "cliperase": CLIPEraseOptions,
    "stacked": StackedOptions,
}
