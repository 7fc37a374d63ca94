"""A visitor's words and files are text on the page, in a real browser: nothing in them runs, nothing leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from helpers.browsing import DESK, Visit, needs_browser, visited
from helpers.watched import served
from playwright.sync_api import Browser, expect

from unlearn.data.gallery import bundled_gallery

pytestmark = needs_browser

#: Runs where it is taken for markup, wherever it stands: in an element, in an attribute, in a script.
EVIL = "\"'><img src=x onerror=\"document.title='it ran'\">"


@pytest.fixture(scope="module")
def hostile_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app over a folder whose names are markup."""
    folder = tmp_path_factory.mktemp("pictures")
    for concept, name in (("dog", "dog"), ("<img src=x onerror=\"document.title='it ran'\">", "cat")):
        (folder / concept).mkdir()
        image = next(p for p in bundled_gallery().test if p.concept == name)
        image.load().save(folder / concept / "<b onclick=alert(1)>.png")
    log = tmp_path_factory.mktemp("hostile") / "log"
    with served(log=log, UNLEARN_GALLERY=str(folder)) as (address, _):
        yield address


@pytest.fixture
def victim(browser: Browser, hostile_app: str) -> Iterator[Visit]:
    with visited(browser, hostile_app, viewport=DESK) as visit:
        visit.page.on("dialog", lambda dialog: visit.complaints.append(f"dialog: {dialog.message}"))
        yield visit


def test_markup_stays_text_wherever_it_is_written(victim: Visit, tmp_path: Path):
    page = victim.page
    victim.open()
    victim.erase(EVIL)
    expect(page.locator("#summary")).to_contain_text("<img src=x onerror=")
    victim.add("#labels", EVIL)
    expect(page.locator("#label-chart")).to_contain_text("<img")
    upload = tmp_path / "<img src=x onerror=alert(1)>.png"
    upload.write_text("no picture")
    page.get_by_label("Remove Image").click()
    page.locator("#picture input[type=file]").set_input_files(upload)
    expect(page.get_by_test_id("toast-body").filter(has_text="not a picture")).to_be_visible()

    victim.tab("Retrieval")
    page.get_by_label("Text → pictures").fill(EVIL)
    expect(page.locator("#found-pictures")).to_contain_text("<img src=x")
    victim.tab("Generation")
    page.get_by_label("Prompt").fill(EVIL)
    page.locator("#draw").click()
    expect(page.locator("#drawn")).to_contain_text("onerror=", timeout=120_000)
    assert page.locator("img[src=x]").count() == 0
    assert "it ran" not in page.title()


def test_markup_in_the_address_stays_text(victim: Visit):
    victim.page.goto(
        f"{victim.address}/?forget={quote(EVIL)}&model={quote(EVIL)}&view={quote(EVIL)}&__theme={quote(EVIL)}"
    )
    expect(victim.page.locator("#summary")).not_to_be_empty(timeout=120_000)
    assert victim.page.locator("img[src=x]").count() == 0
    assert "it ran" not in victim.page.title()


def test_the_browser_is_told_to_load_nothing_from_elsewhere(victim: Visit):
    victim.open()
    refused = victim.page.evaluate(
        """() => new Promise((answer) => {
            document.addEventListener('securitypolicyviolation', (event) => answer(event.effectiveDirective));
            document.body.append(Object.assign(new Image(), {src: 'http://192.0.2.1/stolen.png'}));
        })"""
    )
    assert refused == "img-src"
    assert len(victim.complaints) == 2, "the browser says so, and asks for the image of nobody"
    victim.complaints.clear()
