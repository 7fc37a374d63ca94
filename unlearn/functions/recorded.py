"""The public result of an erasure: the edit with the record of how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from unlearn.clip.encoders import OpenClipEncoder, TextImageEncoder
from unlearn.concepts.named_vocabularies import named_vocabulary
from unlearn.concepts.selection import Vocabulary
from unlearn.erasers.erasure import AnyErasure, Stacked
from unlearn.errors import ParameterError
from unlearn.evaluation.zero_shot import above_chance
from unlearn.export.record import Record
from unlearn.functions.notebook import as_table
from unlearn.templates import percent

#: Keys of the metrics before and after an edit.
_LABELS = ("before", "after")


@dataclass(frozen=True, eq=False, repr=False)
class RecordedErasure:
    """An erasure and the record of how it was made, as :func:`erase` and :func:`load` return it.

    Attributes:
        erasure: the edit itself.
        record: method, model, settings, concepts, metrics, seed, hashes and versions.
        words: labels that the erasure was made with, if more is known about them than the record holds.
    """

    erasure: AnyErasure
    record: Record
    words: Vocabulary | None = None

    def __repr__(self) -> str:
        return (
            f"RecordedErasure(method={self.method!r}, model={self.record.model!r}, forget={self.forget!r}, "
            f"retain={len(self.retain)} names, settings={self.settings!r})"
        )

    def _repr_html_(self) -> str:
        """Return what notebooks show."""
        rows = []
        for part in ("forget", "retain") if self.metrics else ():
            before, after = (self.metrics[label][part] for label in _LABELS)
            rows.append((part, after["n"], percent(before["top1"], 1), percent(after["top1"], 1)))
        caption = f"{', '.join(self.forget)} erased from {self.record.model} by {self.method}"
        return as_table(caption, ("top-1", "n", *_LABELS) if rows else (), rows)

    @property
    def method(self) -> str:
        """The method: ``ccup``, ``cliperase``, ``stacked`` or ``baseline``."""
        return self.erasure.method

    @property
    def settings(self) -> Any:
        """The method's settings, a dataclass of :mod:`unlearn.erasers.settings`."""
        return self.erasure.settings

    @property
    def forget(self) -> tuple[str, ...]:
        """Names of the erased concepts."""
        return self.erasure.selection.forget_names

    @property
    def retain(self) -> tuple[str, ...]:
        """Names of the retain set."""
        return self.erasure.selection.retain

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences about the concepts, such as a word that the vocabulary lacks."""
        return self.erasure.selection.notices

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The labels that the erasure was made with.

        The record does not list a folder's classes; then these are the erased and the retained concepts.

        Raises:
            ConceptError: the record's words cannot be used.
        """
        if self.words:
            return self.words
        own = self.record.vocabulary
        return named_vocabulary(own) if own else Vocabulary.of((*self.forget, *self.retain))

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Accuracy before and after the erasure, if it was measured."""
        return self.record.metrics

    @property
    def left_over(self) -> str:
        """A warning if accuracy on erased concepts is above chance at full strength, else an empty string."""
        if not self.metrics or getattr(self.settings, "strength", 1) != 1:
            return ""
        after = self.metrics["after"]["forget"]
        return above_chance(after["top1"], after["n"], len(self.vocabulary.names)) if after["n"] else ""

    def apply(self, clip: OpenClipEncoder) -> TextImageEncoder:
        """Return the edited model; ``clip`` is not changed. Keep the result: each call edits again."""
        return self.erasure.apply(clip)

    def at(self, strength: float) -> RecordedErasure:
        """Return the same erasure at another strength, from 0 to 1, without solving or training again.

        Raises:
            ParameterError: ``strength`` is outside this range, or the erasure is two edits.
        """
        if isinstance(self.erasure, Stacked):
            raise ParameterError("This erasure is two edits, each with a strength of its own.")
        weaker = self.erasure.at(strength)
        return replace(
            self, erasure=weaker, record=replace(self.record, parameters=asdict(weaker.settings), metrics={})
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the record as in ``erasure.json``."""
        return self.record.to_json()
