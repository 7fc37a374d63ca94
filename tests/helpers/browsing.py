"""A visitor in a real browser, and everything that the page complained about meanwhile."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
#: No sandbox: tests run as root in containers. The rest keeps the browser itself off the network.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
#: Whether the charts clip by the page's own address; by that of before, lines and legends are not drawn.
CLIPPED_HERE = """() => [...document.querySelectorAll('.js-plotly-plot [clip-path]')].every(
  (part) => part.getAttribute('clip-path').includes(`'${location.href.split('#')[0]}#`))"""
SCREENSHOTS = os.environ.get("UNLEARN_SCREENSHOTS")
#: An error in place of a sentence is a red toast, which goes by itself.
RED_TOASTS = """
new MutationObserver((changes) => {
  for (const toast of document.querySelectorAll('.toast-body.error:not([data-seen])')) {
    toast.dataset.seen = 'yes';
    console.error(`toast: ${toast.textContent}`);
  }
}).observe(document, {childList: true, subtree: true});
"""
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


expect.set_options(timeout=30_000)


class Visit:
    """A page, and everything it complained about."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        page.set_default_timeout(120_000)  # a busy machine is slow, not wrong
        self.complaints: list[str] = []
        page.add_init_script(RED_TOASTS)
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.complaints.append(f"leaves the machine: {request.url}")

    def open(self, query: str = "") -> None:
        self._go(lambda: self.page.goto(f"{self.address}/{query}"))

    def reload(self) -> None:
        """Open the page again, as the browser's button does."""
        self._go(self.page.reload)

    def _go(self, navigate: Callable[[], object]) -> None:
        assert not self.complaints, self.complaints
        is_first = self.page.url == "about:blank"
        navigate()
        self._wait_until_open()
        if not is_first:
            self.complaints.clear()  # gradio's own streams report that they were cut

    def _wait_until_open(self) -> None:
        expect(self.page.locator("#label-chart .js-plotly-plot")).to_be_visible(timeout=120_000)
        expect(self.page.locator("#summary")).to_contain_text("Most at risk")

    def tab(self, name: str) -> None:
        """Open a tab; on a phone the last ones are in a menu."""
        tab = self.page.get_by_role("tab", name=name, exact=True)
        if tab.is_visible():
            tab.click()
        else:
            self.page.locator(".overflow-menu > button").click()
            self.page.locator(".overflow-dropdown button", has_text=name).click()

    def erase(self, concept: str) -> None:
        """Add ``concept`` to what is erased."""
        self.add("#forget", concept)

    def add(self, where: str, word: str) -> None:
        """Add ``word`` to a list, as a visitor does: type it and press Enter."""
        box = self.page.locator(f"{where} input")
        box.click()
        box.fill(word)
        box.press("Enter")
        box.press("Escape")

    def shoot(self, name: str) -> None:
        """Keep a picture of the whole page, where they are wanted; 256 colours make it a third of the size."""
        if SCREENSHOTS:
            self.page.mouse.move(0, 0)
            self.page.wait_for_timeout(700)  # toasts and the chart's entry
            shot = Image.open(io.BytesIO(self.page.screenshot(full_page=True))).convert("RGB")
            palette = shot.quantize(256, Image.Quantize.FASTOCTREE)
            shot.quantize(palette=palette).save(Path(SCREENSHOTS) / f"{name}.png", optimize=True)

    def fits(self) -> None:
        """Nothing makes the page wider than the window, and what charts clip by is in this page, so that it is seen."""
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        self.page.wait_for_function(CLIPPED_HERE, timeout=5000)


@contextmanager
def visited(browser: Browser, address: str, **options: Any) -> Iterator[Visit]:
    """A visit to ``address``; ``options`` are those of a browser's context. What the page complained about fails it."""
    context = browser.new_context(**options)
    visit = Visit(context.new_page(), address)
    try:
        yield visit
    finally:
        context.close()
    assert not visit.complaints, visit.complaints  # said here: pytest explains the assertions of tests alone
