"""Command line that repeats an erasure."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

from unlearn.concepts.named_vocabularies import VOCABULARIES
from unlearn.concepts.selection import Vocabulary
from unlearn.erasers.methods import METHODS
from unlearn.erasers.settings import CCUPSettings
from unlearn.export.record import Record
from unlearn.finetuning.sources import BUNDLED
from unlearn.options import in_words

NOT_TOLD = "  # it learned from pictures that this command does not have; with --images, it takes a folder of them"


def command_of(record: Record) -> str:
    """Return ``python -m unlearn erase …`` with the settings of ``record`` that are not defaults, one line per part."""
    if record.parts:
        tuned, closed_form = record.parts
        return f"{_command(tuned, 'tuned')}\n{_command(closed_form, 'erased', '--on', 'tuned')}"
    return _command(record, "erased")


def _command(record: Record, out: str, *more: str) -> str:
    # CCUP uses the images only for the vocabulary that they bring.
    learned = record.method != "ccup" or not record.vocabulary
    words = ["python", "-m", "unlearn", "erase", "--model", record.model]
    words += ["--forget", *record.selection.forget_names]
    if not _is_default_retain(record):
        words += ["--retain", *record.selection.retain]
    if learned and record.images not in (BUNDLED, ""):
        words += ["--images", record.images]
    if record.vocabulary and (record.vocabulary != BUNDLED or "--images" in words):
        words += ["--vocabulary", record.vocabulary]
    words += _method(record)
    return shlex.join([*words, *more, "--out", out]) + ("" if record.images or not learned else NOT_TOLD)


def _is_default_retain(record: Record) -> bool:
    """Return True if ``erase`` without an argument would retain the same concepts."""
    known = VOCABULARIES.get(record.vocabulary)
    words = known() if known else Vocabulary.of(record.vocabulary.split(","))
    return record.selection.retain == words.without(record.selection.forget_names)


def _method(record: Record) -> list[str]:
    """Return the arguments for the method and for its settings that are not defaults."""
    given = record.parameters
    method = str(given.get("kind", record.method))
    seed = [] if method == "ccup" else ["--seed", str(given.get("seed", record.seed))]
    # CLIPErase's defaults depend on which part of the model it trains.
    default = {} if method == "cliperase" else asdict(CCUPSettings())
    takes = METHODS[method].takes(given)
    options = [_option(name, given[name]) for name in takes if name in given and given[name] != default.get(name)]
    named = [] if method == "ccup" else ["--method", method]
    return [*named, *(word for option in options for word in option), *seed]


def _option(name: str, value: Any) -> list[str]:
    return [f"--no-{name}"] if value is False else [f"--{in_words(name).replace(' ', '-')}", str(value)]
