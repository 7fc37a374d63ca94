"""Errors become sentences, in one place."""

from __future__ import annotations

import errno
import re

import gradio as gr
import pytest
import torch

from unlearn.errors import ConceptError
from unlearn.ui.guard import UNEXPECTED, for_programs, on_screen


def refuse(word: str) -> str:
    raise ConceptError(f"“{word}” cannot be used.")


def crash(word: str) -> str:
    raise RuntimeError(f"secret detail of {word}")


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    shown: list[str] = []
    monkeypatch.setattr(gr, "Warning", shown.append)
    return shown


def test_on_screen_a_refusal_is_a_warning_and_nothing_changes(warnings: list[str]):
    assert on_screen(refuse)("cat") == gr.skip()
    assert warnings == ["“cat” cannot be used."]


def test_what_the_visitor_wrote_is_escaped(warnings: list[str]):
    on_screen(refuse)("<img src=x onerror=alert(1)>")
    assert warnings == ["“&lt;img src=x onerror=alert(1)&gt;” cannot be used."]


def test_on_screen_a_crash_is_logged_and_told_in_general(warnings: list[str], caplog: pytest.LogCaptureFixture):
    assert on_screen(crash)("cat") == gr.skip()
    (answer,) = warnings
    number = re.search("error ([0-9a-f]{8})", answer)[1]
    assert answer == UNEXPECTED.format(number)
    assert number in caplog.text
    assert "RuntimeError at" in caplog.text
    assert "ui/test_guard.py:" in caplog.text
    assert "secret" not in caplog.text
    assert "cat" not in caplog.text


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "not enough memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "not enough memory"),
        (OSError(errno.ENOSPC, "No space left on device"), "no room on the disk"),
    ],
)
def test_what_ran_out_is_told_and_the_next_request_works(warnings: list[str], caplog, error, sentence):
    failures = [error]

    def once(word: str) -> str:
        if failures:
            raise failures.pop()
        return word

    assert on_screen(once)("cat") == gr.skip()
    assert sentence in warnings[0]
    assert not caplog.text, "a full disk is no fault of the code"
    assert on_screen(once)("cat") == "cat"


def test_on_screen_another_value_may_stand_in(warnings: list[str]):
    assert on_screen(refuse, otherwise=lambda word: f"{word} as before")("cat") == "cat as before"
    assert len(warnings) == 1


def test_for_programs_a_refusal_is_its_sentence():
    with pytest.raises(gr.Error, match="“cat” cannot be used") as raised:
        for_programs(refuse)("cat")
    assert not raised.value.print_exception


def test_for_programs_a_crash_is_told_in_general():
    with pytest.raises(gr.Error) as raised:
        for_programs(crash)("cat")
    assert re.fullmatch(re.escape(UNEXPECTED).replace(r"\{\}", "[0-9a-f]{8}"), raised.value.message)
    assert raised.value.__suppress_context__


def test_what_succeeds_passes_through():
    assert on_screen(str.upper)("cat") == for_programs(str.upper)("cat") == "CAT"
