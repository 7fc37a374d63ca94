"""The command line that makes an erasure again."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

from unlearn.concepts.named_vocabularies import VOCABULARIES
from unlearn.concepts.selection import Vocabulary
from unlearn.erasers.methods import METHODS, in_words
from unlearn.erasers.settings import CCUPSettings
from unlearn.export.record import Record
from unlearn.finetuning.sources import BUNDLED

NOT_TOLD = "  # it learned from pictures that this command does not have; with --images, it takes a folder of them"


def command_of(record: Record) -> str:
    """``python -m unlearn erase …`` with what ``record`` has other than the defaults, a line for each part."""
    if record.parts:
        tuned, closed_form = record.parts
        return f"{_command(tuned, 'tuned')}\n{_command(closed_form, 'erased', '--on', 'tuned')}"
    return _command(record, "erased")


def _command(record: Record, out: str, *more: str) -> str:
    # CCUP knows the pictures only by the vocabulary that they bring.
    learned = record.method != "ccup" or not record.vocabulary
    words = ["python", "-m", "unlearn", "erase", "--model", record.model]
    words += ["--forget", *record.selection.forget_names]
    if not _is_default_retain(record):
        words += ["--retain", *record.selection.retain]
    if learned and record.pictures not in (BUNDLED, ""):
        words += ["--images", record.pictures]
    if record.vocabulary and (record.vocabulary != BUNDLED or "--images" in words):
        words += ["--vocabulary", record.vocabulary]
    words += _method(record)
    return shlex.join([*words, *more, "--out", out]) + ("" if record.pictures or not learned else NOT_TOLD)


def _is_default_retain(record: Record) -> bool:
    """Whether ``erase`` retains the same where nothing is said."""
    known = VOCABULARIES.get(record.vocabulary)
    words = known() if known else Vocabulary.of(record.vocabulary.split(","))
    return record.selection.retain == words.without(record.selection.forget_names)


def _method(record: Record) -> list[str]:
    """The method, and its settings that are not as always."""
    told = record.parameters
    method = str(told.get("kind", record.method))
    seed = [] if method == "ccup" else ["--seed", str(told.get("seed", record.seed))]
    # What CLIPErase takes by default depends on what it trains.
    default = {} if method == "cliperase" else asdict(CCUPSettings())
    takes = METHODS[method].takes(told)
    options = [_option(name, told[name]) for name in takes if name in told and told[name] != default.get(name)]
    named = [] if method == "ccup" else ["--method", method]
    return [*named, *(word for option in options for word in option), *seed]


def _option(name: str, value: Any) -> list[str]:
    return ["--no-synonyms"] if name == "synonyms" else [f"--{in_words(name).replace(' ', '-')}", str(value)]
