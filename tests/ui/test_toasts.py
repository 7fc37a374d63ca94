"""Sentences to the visitor: each once at a time, and beside what they are about."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.browsing import DESK, PHONE, Visit, needs_browser, visited
from playwright.sync_api import Browser, expect

pytestmark = needs_browser


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def visit(request: pytest.FixtureRequest, browser: Browser, fake_app: str) -> Iterator[Visit]:
    with visited(browser, fake_app, viewport=request.param) as visit:
        visit.open()
        visit.tab("Is it gone?")
        yield visit


def test_a_sentence_is_shown_once_at_a_time_and_covers_no_tab(visit: Visit):
    page = visit.page
    attack, sentences = page.locator("#attack"), page.get_by_test_id("toast-text")
    for _ in range(4):
        with page.expect_response("**/queue/join**"):
            attack.dispatch_event("click")
    expect(sentences).to_have_count(1)
    expect(sentences).to_contain_text("picture")
    page.wait_for_timeout(1000)  # all four have been answered
    expect(sentences).to_have_count(1)
    toast, tabs = page.get_by_test_id("toast-body").bounding_box(), page.get_by_role("tablist").first.bounding_box()
    assert toast
    assert tabs
    assert toast["y"] + toast["height"] <= page.viewport_size["height"]
    assert toast["y"] >= tabs["y"] + tabs["height"]
    page.get_by_test_id("toast-close").click()
    expect(sentences).to_have_count(0)
    attack.click()
    expect(sentences).to_have_count(1)  # whoever closed it and tries again is answered again


def test_what_is_not_erased_is_not_offered_to_be_attacked(visit: Visit):
    page = visit.page
    expect(page.locator("#attack")).to_be_visible()
    page.locator("#forget").get_by_role("button", name="Remove").first.click()
    expect(page.locator("#attack")).to_be_hidden()
    expect(page.locator("#attacked")).to_contain_text("Erase a concept first")
    visit.erase("cat")
    expect(page.locator("#attack")).to_be_visible()
    expect(page.locator("#attacked")).not_to_contain_text("Erase a concept first")
