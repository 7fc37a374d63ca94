"""What an app writes of an error fails the test in whose time it was written, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import watched
from helpers.browsing import DESK, needs_browser, visited
from playwright.sync_api import Browser


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "ERROR:    Exception in ASGI application",
        "unexpected error in an event",
        "Task exception was never retrieved",
    ],
)
def test_an_error_in_a_log_is_seen_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str):
    log = tmp_path / "log"
    monkeypatch.setattr(watched, "_read", {log: 0})
    assert watched.errors_since() == []
    log.write_text("Loading the model.\n")
    assert watched.errors_since() == []
    with log.open("a") as lines:
        lines.write(f"{line}\n")
    (error,) = watched.errors_since()
    assert line in error
    assert watched.errors_since() == []


@needs_browser
@pytest.mark.parametrize("fault", ["console.error('lost')", "setTimeout(() => lost.at(1))", "toast()"])
def test_what_a_page_complains_of_fails_its_test(browser: Browser, fault: str):
    toast = "const toast = () => document.body.insertAdjacentHTML('beforeend', '<div class=\"toast-body error\">Lost')"

    def visit() -> None:
        with visited(browser, "http://127.0.0.1", viewport=DESK) as visit:
            visit.page.goto("data:text/html,<body></body>")
            visit.page.evaluate(f"() => {{ {toast}; {fault} }}")
            visit.page.wait_for_timeout(100)

    with pytest.raises(AssertionError, match="(?i)lost"):
        visit()
