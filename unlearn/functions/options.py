"""Arguments of :func:`unlearn.erase` by method, as type checkers and editors read them (PEP 692).

The fields are those of the settings in :mod:`unlearn.erasers.settings`, less what a method leaves no choice of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

from unlearn.jobs import Progress

if TYPE_CHECKING:
    from unlearn.functions.recorded import RecordedErasure

#: Called with how much is done, how much there is, and what is being done.
OnProgress: TypeAlias = Callable[[Progress], object]
#: Called with a sentence that the user should know at once.
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


#: Options by method: a test compares them with what the method takes.
OPTIONS: dict[str, type[AnyMethod]] = {
    "none": AnyMethod,
    "random": BaselineOptions,
    "leace": BaselineOptions,
    "ccup": CCUPOptions,
    "cliperase": CLIPEraseOptions,
    "stacked": StackedOptions,
}
