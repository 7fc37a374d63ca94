"""Arguments of :func:`unlearn.erase` by method, for type checkers and editors (PEP 692).

They are those that every method takes, and the method's options, which :mod:`unlearn.erasers.settings` declares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from unlearn.erasers.settings import BaselineOptions, CCUPOptions, CLIPEraseOptions
from unlearn.progress import Progress

if TYPE_CHECKING:
    from unlearn.functions.recorded import RecordedErasure

#: Function that is called with the work done, the total, and a text about the current work.
OnProgress: TypeAlias = Callable[[Progress], object]
#: Function that is called with a sentence that the user should read at once.
OnNotice: TypeAlias = Callable[[str], object]
Names: TypeAlias = str | Iterable[str]


def announce(notices: Iterable[str], on_notice: OnNotice | None) -> None:
    """Call ``on_notice``, if there is one, with each of ``notices``."""
    if on_notice:
        for notice in notices:
            on_notice(notice)


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


class BaselineArguments(AnyMethod, BaselineOptions, total=False):
    """Arguments with ``random`` and ``leace``."""


class CCUPArguments(AnyMethod, CCUPOptions, total=False):
    """Arguments with ``ccup``."""


class CLIPEraseArguments(AnyMethod, CLIPEraseOptions, total=False):
    """Arguments with ``cliperase``."""


class StackedArguments(CLIPEraseArguments, CCUPArguments, total=False):
    """Arguments with ``stacked``."""


#: Arguments by method; a test compares them with the settings that the method takes.
ARGUMENTS: dict[str, type[AnyMethod]] = {
    "none": AnyMethod,
    "random": BaselineArguments,
    "leace": BaselineArguments,
    "ccup": CCUPArguments,
    "cliperase": CLIPEraseArguments,
    "stacked": StackedArguments,
}
