"""Options: fields of dataclasses that carry all that screen, flags, endpoints, links and documents say of them.

A field is declared with :func:`option`, once; what is shown, read and checked is derived from :func:`options_of`. Where
nothing was chosen an option is None: its value is automatic then.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

from unlearn.errors import ParameterError, require_choice, require_fraction, require_positive, require_whole

KINDS: dict[str, type[Any]] = {"str": str, "float": float, "int": int, "bool": bool, "Sequence[str]": list}
AUTOMATIC = "automatic"


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        label: its name on screen.
        help: what it is, as a noun phrase, or what it does, as an order; without a full stop.
        choices: the values it may have, with their labels on screen; none where it is free.
        lowest: least number allowed; a number without a fraction only.
        largest: greatest number allowed; from 0, unless ``above_zero``.
        step: of its slider; None for a box.
        depends_on: name of another option that its default depends on.
        only: by name of another option, the values of it beside which this one has an effect.
        name: of the field.
        kind: type of a value.
        default: the value where nothing is chosen.
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
        """Its name in messages and, with hyphens, on the command line."""
        return in_words(self.name)

    @property
    def flag(self) -> str:
        return "--" + self.words.replace(" ", "-")

    @property
    def range(self) -> str:
        """The numbers allowed, in words; "" for what is no number."""
        if self.kind not in (int, float):
            return ""
        lowest = "above 0" if self.above_zero else f"{self.lowest:g}"
        largest = f"{self.largest:,.0f}" if self.largest >= 1 else f"{self.largest:g}"
        return f"{lowest} to {largest}" if math.isfinite(self.largest) else f"{lowest} or more"

    @property
    def values(self) -> str:
        """What may be given, in words."""
        return ", ".join(value or '""' for value in self.choices) or self.range

    @property
    def usual(self) -> str:
        """The default, in words."""
        if self.depends_on:
            return f"depends on {self.depends_on.replace('_', ' ')}"
        return AUTOMATIC if self.default is None else str(self.default)

    def has_effect(self, given: Mapping[str, Any]) -> bool:
        """Whether it has one beside the options ``given``."""
        return all(given[other] in allowed for other, allowed in self.only.items() if other in given)

    def check(self, value: Any) -> None:
        """Check ``value``.

        Raises:
            ParameterError: it is not allowed.
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
        """The value that ``text`` in an address stands for.

        Raises:
            ParameterError: it must be a number and is none.
        """
        try:
            return bool(int(text)) if self.kind is bool else self.kind(text)
        except ValueError as error:
            raise ParameterError(f"{self.name} in this link is {text[:40]!r}; it must be a number.") from error


def in_words(name: str) -> str:
    """An option's name as messages have it."""
    return {"lam": "lambda"}.get(name, name.replace("_", " "))


def option(default: Any, label: str, help: str, **more: Any) -> Any:
    """A field of a dataclass that is an option."""
    return field(default=default, metadata={"option": Option(label, help, **more)})


def same_option(owner: type[Any], name: str, **changed: Any) -> Any:
    """A field that is the option ``name`` of another dataclass, but for what is ``changed``."""
    known = options_of(owner)[name]
    return field(default=changed.pop("default", known.default), metadata={"option": replace(known, **changed)})


def options_of(owner: type[Any]) -> Mapping[str, Option]:
    """The options of a dataclass by name, in its order."""
    return MappingProxyType(
        {
            entry.name: replace(
                entry.metadata["option"],
                name=entry.name,
                kind=KINDS[str(entry.type).removesuffix(" | None")],
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
    """What ``request`` has for the options of ``owner``; what was left open is left out."""
    found = {name: getattr(request, name) for name in options_of(owner) if name in options_of(type(request))}
    return {name: value for name, value in found.items() if value is not None}


def options_table(owner: type[Any]) -> str:
    """The options of a dataclass as the documents show them: a row each, in Markdown."""
    rows = ["| flag | default | allowed | meaning |", "| --- | --- | --- | --- |"]
    for known in options_of(owner).values():
        flag = f"--no-{known.name}" if known.default is True else known.flag
        default = known.usual if known.default is None or known.depends_on else f"`{known.usual}`"
        allowed = ", ".join(f"`{value}`" for value in known.choices) or known.range or "–"
        rows.append(f"| `{flag}` | {default} | {allowed} | {known.help} |")
    return "\n".join(rows)
