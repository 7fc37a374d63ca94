"""The command line that makes an erasure again."""

from __future__ import annotations

import shlex
from dataclasses import fields

from unlearn.concepts import Vocabulary
from unlearn.erasers import ccup, cliperase
from unlearn.export.record import Record
from unlearn.finetuning.sources import BUNDLED
from unlearn.vocabularies import VOCABULARIES

NOT_TOLD = "  # it learned from pictures that this command does not have; with --pictures, it takes a folder of them"


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
        words += ["--pictures", record.pictures]
    if record.vocabulary and (record.vocabulary != BUNDLED or "--pictures" in words):
        words += ["--vocabulary", record.vocabulary]
    if record.method == "ccup":
        words += _ccup(record)
    elif record.method == "cliperase":
        words += _cliperase(record)
    else:
        words += ["--method", str(record.parameters.get("kind", record.method)), "--seed", str(record.seed)]
    return shlex.join([*words, *more, "--out", out]) + ("" if record.pictures or not learned else NOT_TOLD)


def _is_default_retain(record: Record) -> bool:
    """Whether ``erase`` retains the same where nothing is said."""
    known = VOCABULARIES.get(record.vocabulary)
    words = known() if known else Vocabulary.of(record.vocabulary.split(","))
    return record.selection.retain == words.without(record.selection.forget_names)


def _ccup(record: Record) -> list[str]:
    default = ccup.Settings()
    words: list[str] = []
    for name, flag in (("mode", "mode"), ("strength", "strength"), ("side", "side"), ("lam", "lambda"), ("mu", "mu")):
        value = record.parameters.get(name, getattr(default, name))
        if value != getattr(default, name):
            words += [f"--{flag}", str(value)]
    return words + ([] if record.parameters.get("synonyms", True) else ["--no-synonyms"])


def _cliperase(record: Record) -> list[str]:
    words = ["--method", "cliperase"]
    for field in fields(cliperase.Settings):
        if field.name in record.parameters:
            words += [f"--{field.name.replace('_', '-')}", str(record.parameters[field.name])]
    return words
