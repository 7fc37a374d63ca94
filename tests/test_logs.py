"""The log holds types, places and ids, and no word of a visitor's; asked of a process, as it changes what all log."""

from __future__ import annotations

import logging
import re
import subprocess
import sys

import pytest

from unlearn.logs import log_error

SAYS = """
import logging, sys, threading, traceback, warnings
from unlearn.logs import keep_words_out, log_error
keep_words_out()

def fail(word):
    try:
        {}[word]
    except KeyError as error:
        raise ValueError(f"cannot use {word}") from error

def failed(word):
    try:
        fail(word)
    except ValueError as error:
        return error

word = "secretword"
own = logging.StreamHandler()
own.setFormatter(logging.Formatter("%(message)s"))
logging.getLogger("library").addHandler(own)  # as transformers does
"""
WAYS = {
    "ours": "log_error(failed(word))",
    "a library's error": "logging.getLogger('library').error('failed at %s', word, exc_info=failed(word))",
    "a library's message": "logging.getLogger('library').warning(f'truncated: {word}')",
    "a traceback": "try: fail(word)\nexcept ValueError: traceback.print_exc()",
    "an exception": "traceback.print_exception(failed(word))",
    "a warning": "warnings.warn(f'{word} is not in the list')",
    "a thread": "thread = threading.Thread(target=fail, args=[word]); thread.start(); thread.join()",
    "the end": "fail(word)",
    "a finaliser": "class Bad:\n    def __del__(self): fail(word)\nBad()",
}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_way_an_error_takes_its_words_stay_out(way):
    ended = subprocess.run([sys.executable, "-c", SAYS + WAYS[way]], capture_output=True, text=True, check=False)
    assert "secretword" not in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert re.search(r"(ValueError at|warning at|UserWarning at) ", ended.stderr), ended.stderr


def test_an_error_is_a_line_with_its_chain_of_places(caplog):
    def inner():
        raise KeyError("secret")

    try:
        try:
            inner()
        except KeyError as error:
            raise ValueError("secret") from error
    except ValueError as error:
        number = log_error(error)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    line = record.getMessage()
    assert re.fullmatch(
        rf"error {number}: ValueError at tests/test_logs.py:\d+ "
        r"after KeyError at tests/test_logs.py:\d+ > tests/test_logs.py:\d+",
        line,
    )


def test_errors_that_cause_each_other_in_a_circle_end(caplog):
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    log_error(first)
    assert "ValueError at no place after KeyError at no place" in caplog.text
