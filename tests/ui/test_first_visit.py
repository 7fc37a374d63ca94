"""A first visit in a real browser: the page follows what is erased, words are understood, stories lead through it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.browsing import DESK, Visit, needs_browser, visited
from playwright.sync_api import Browser, expect

pytestmark = needs_browser


@pytest.fixture
def desk(browser: Browser, real_app: str) -> Iterator[Visit]:
    with visited(browser, real_app, viewport=DESK) as visit:
        yield visit


def test_the_page_follows_what_is_erased_until_the_visitor_chooses(desk: Visit):
    page = desk.page
    desk.open("?forget=guitar")
    expect(page.locator("#label-chart")).to_contain_text("✕ guitar")
    expect(page.locator("#strip button").first).to_contain_text("✕ guitar")
    chips = page.locator("#chips")
    for name in ("guitar", "pizza"):  # faster than they are answered
        chips.get_by_role("button", name=name).click()
    expect(page.locator("#strip button").first).to_contain_text("✕ pizza")
    expect(page.locator("#label-chart")).to_contain_text("✕ pizza")
    expect(page.locator("#chips").get_by_role("button", name="pizza")).to_have_attribute("aria-pressed", "true")
    desk.tab("Retrieval")
    expect(page.get_by_label("Text → pictures")).to_have_value("a pizza")
    expect(page.locator("#found-pictures figure").first).to_contain_text("✕ pizza")
    page.get_by_label("Text → pictures").fill("two trains")
    desk.erase("dog")
    expect(chips.get_by_role("button", name="dog")).to_have_attribute("aria-pressed", "true")
    page.locator("#chips").get_by_role("button", name="pizza").click()
    expect(page.locator("#summary")).to_contain_text("hamster")
    expect(page.get_by_label("Text → pictures")).to_have_value("two trains")
    desk.tab("Generation")
    expect(page.get_by_label("Prompt")).to_have_value("a dog and a pizza on a blue background")


def test_a_word_that_is_not_known_is_replaced_with_one_click(desk: Visit):
    page, summary = desk.page, desk.page.locator("#summary")
    desk.open("?forget=dgo")
    expect(summary).to_contain_text("Did you mean dog?")
    expect(summary).to_contain_text("Most at risk: not known")
    expect(page.locator("#label-chart")).to_contain_text("✕ dgo")
    summary.get_by_role("button", name="dog").click()
    expect(page.locator("#label-chart")).to_contain_text("✕ dog")
    expect(page.locator("#forget")).not_to_contain_text("dgo")
    desk.open("?forget=cat")
    expect(summary).to_contain_text("hardly knows “cat”")


def test_a_story_and_the_next_steps_lead_through_the_page(desk: Visit):
    page = desk.page
    desk.open("?forget=pizza&strength=0.4")
    page.get_by_role("button", name="Forget twenty").click()
    expect(page.locator("#accuracy")).to_contain_text("Erased 33 pictures")
    expect(page.get_by_role("spinbutton", name="Strength")).to_have_value("1")
    for question, tab in (("Does search still find it?", "#query"), ("Can it still be drawn?", "#prompt"),
                          ("Is it gone?", "#attack"), ("Take the edit along", "#make-export")):  # fmt: skip
        page.get_by_role("button", name=f"Next: {question}").click()
        expect(page.locator(tab)).to_be_visible()
    expect(page.locator("#share-link a")).to_be_visible()
    page.get_by_role("button", name="Hidden, not gone").click()
    expect(page.locator("#attack")).to_be_visible()
    expect(page.locator("#attacked input")).to_have_value("dog")
