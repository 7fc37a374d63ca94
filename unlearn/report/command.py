"""The command line that makes an erasure again."""

from __future__ import annotations

import shlex
from dataclasses import fields

from unlearn.concepts import load_vocabulary, select
from unlearn.erasers import ccup, cliperase
from unlearn.export.record import Record

#: A longer retain list goes into a file.
MOST_ON_THE_LINE = 60


def command_of(record: Record) -> str:
    """``python -m unlearn erase …`` with what ``record`` has other than the defaults."""
    words = ["python", "-m", "unlearn", "erase", "--model", record.model]
    words += ["--forget", *record.selection.forget_names]
    retain = record.selection.retain
    note = ""
    if retain != _default_retain(record):
        if len(retain) <= MOST_ON_THE_LINE:
            words += ["--retain", *retain]
        else:
            words += ["--retain-file", "retain.txt"]
            note = "  # concepts.retain of erasure.json, one a line"
    if record.method == "ccup":
        words += _ccup(record)
    elif record.method == "cliperase":
        words += _cliperase(record)
    else:
        words += ["--method", str(record.parameters.get("kind", record.method))]
    return shlex.join([*words, "--out", "erased"]) + note


def _default_retain(record: Record) -> tuple[str, ...]:
    forget = record.selection.forget_names
    vocabulary = load_vocabulary()
    if len(forget) >= len(vocabulary.names):
        return ()
    return select(forget, vocabulary=vocabulary, most=len(forget)).retain


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
