"""Options: dataclass fields that carry their own label, help, choices and range.

Each field is declared once with :func:`option`. The panel, command-line flags, endpoint parameters, links, documents
and checks are derived from it with :func:`options_of`. The value None means automatic.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

from unlearn.errors import ParameterError, require_choice, require_fraction, require_positive, require_whole

TYPES: dict[str, type[Any]] = {"str": str, "float": float, "int": int, "bool": bool, "Sequence[str]": list}
AUTOMATIC = "automatic"


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        label: name on screen.
        help: a noun phrase or an imperative that describes the option; without a full stop.
        choices: allowed values with their labels on screen; empty if the value is free.
        lowest: smallest allowed value; for whole numbers only.
        largest: largest allowed value; the range starts at 0, exclusive with ``above_zero``.
        step: step of the slider; None for a number box.
        depends_on: name of another option that determines the default.
        only: maps other options to the values with which this option has an effect.
        name: name of the field.
        kind: type of the value.
        default: value if nothing was chosen.
    """

    label: str
    help: str
    choices: Mapping[str, str] = field(default_factory=dict)
    lowest: float = 0
    largest: float = math.inf
    above_zero: bool = False
    step: float | None = None
    depends_on: str = ""
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)
    name: str = ""
    kind: type[Any] = str
    default: Any = None

    @property
    def words(self) -> str:
        """The option's name in messages and, with hyphens, on the command line."""
        return in_words(self.name)

    @property
    def flag(self) -> str:
        return "--" + self.words.replace(" ", "-")

    @property
    def range(self) -> str:
        """The allowed numbers, in words; "" if the option is not a number."""
        if self.kind not in (int, float):
            return ""
        lowest = "above 0" if self.above_zero else f"{self.lowest:g}"
        largest = f"{self.largest:,.0f}" if self.largest >= 1 else f"{self.largest:g}"
        return f"{lowest} to {largest}" if math.isfinite(self.largest) else f"{lowest} or more"

    @property
    def values(self) -> str:
        """The allowed values, in words."""
        return ", ".join(value or '""' for value in self.choices) or self.range

    @property
    def usual(self) -> str:
        """The default, in words."""
        if self.depends_on:
            return f"depends on {self.depends_on.replace('_', ' ')}"
        return AUTOMATIC if self.default is None else str(self.default)

    def has_effect(self, given: Mapping[str, Any]) -> bool:
        """Return True if the option has an effect together with the options ``given``."""
        return all(given[other] in allowed for other, allowed in self.only.items() if other in given)

    def check(self, value: Any) -> None:
        """Raise unless ``value`` is allowed.

        Raises:
            ParameterError: ``value`` is not allowed.
        """
        if value is None and self.default is None:
            return
        if self.choices:
            require_choice(self.words, value, tuple(self.choices))
        elif self.kind is str and not isinstance(value, str):
            raise ParameterError(f"{self.words} is {value!r}; it must be a text.")
        elif self.kind is int:
            require_whole(self.words, value, lowest=int(self.lowest), largest=int(self.largest))
        elif self.kind is float and self.largest == 1:
            require_fraction(self.words, value)
        elif self.kind is float:
            require_positive(self.words, value, largest=self.largest, zero_allowed=not self.above_zero)

    def read(self, text: str) -> Any:
        """Parse ``text`` from a link's address as a value of this option.

        Raises:
            ParameterError: the option is a number and ``text`` is not.
        """
        try:
            return bool(int(text)) if self.kind is bool else self.kind(text)
        except ValueError as error:
            raise ParameterError(f"{self.name} in this link is {text[:40]!r}; it must be a number.") from error


def in_words(name: str) -> str:
    """Return an option's name as messages spell it."""
    return {"lam": "lambda"}.get(name, name.replace("_", " "))


def option(default: Any, label: str, help: str, **more: Any) -> Any:
    """Declare a dataclass field as an option."""
    return field(default=default, metadata={"option": Option(label, help, **more)})


def same_option(owner: type[Any], name: str, **changed: Any) -> Any:
    """Declare a field as the option ``name`` of another dataclass, with the attributes in ``changed`` replaced."""
    known = options_of(owner)[name]
    return field(default=changed.pop("default", known.default), metadata={"option": replace(known, **changed)})


def options_of(owner: type[Any]) -> Mapping[str, Option]:
    """Return the options of a dataclass by name, in field order."""
    return MappingProxyType(
        {
            entry.name: replace(
                entry.metadata["option"],
                name=entry.name,
                kind=TYPES[str(entry.type).removesuffix(" | None")],
                default=entry.default,
            )
            for entry in fields(owner)
            if "option" in entry.metadata
        }
    )


def check_options(settings: Any) -> None:
    """Check every option of ``settings``.

    Raises:
        ParameterError: one of them is not allowed.
    """
    for name, known in options_of(type(settings)).items():
        known.check(getattr(settings, name))


def shared_options(owner: type[Any], request: Any) -> dict[str, Any]:
    """Return the values in ``request`` of options that ``owner`` also has, without those that are None."""
    found = {name: getattr(request, name) for name in options_of(owner) if name in options_of(type(request))}
    return {name: value for name, value in found.items() if value is not None}


def options_table(owner: type[Any]) -> str:
    """Return the options of a dataclass as a Markdown table with one row each, for the documents."""
    rows = ["| flag | default | allowed | meaning |", "| --- | --- | --- | --- |"]
    for known in options_of(owner).values():
        flag = f"--no-{known.name}" if known.default is True else known.flag
        default = known.usual if known.default is None or known.depends_on else f"`{known.usual}`"
        allowed = ", ".join(f"`{value}`" for value in known.choices) or known.range or "–"
        rows.append(f"| `{flag}` | {default} | {allowed} | {known.help} |")
    return "\n".join(rows)
