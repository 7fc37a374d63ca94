"""A click that comes while the page stops listening to the server is answered all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.browsing import DESK, Visit, needs_browser, visited
from playwright.sync_api import Browser, expect

pytestmark = needs_browser

#: Holds back what the server says last, that all is answered, until ``release()``: as a slow connection does. It is run
#: before the page's own scripts, so that they too get what the server says from it.
SLOW_CONNECTION = """
(() => {
  const plain = window.fetch.bind(window);
  let released = Promise.resolve();
  window.hold = () => { released = new Promise((resolve) => { window.release = resolve; }); window.held = false; };
  window.fetch = async (resource, options) => {
    const response = await plain(resource, options);
    const path = new URL(resource.url ?? resource, location.href).pathname;
    if (!path.endsWith('/queue/data') || !response.body) return response;
    const slow = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new TransformStream({
      async transform(text, out) {
        if (text.includes('close_stream')) { window.held = true; await released; }
        out.enqueue(text);
      },
    })).pipeThrough(new TextEncoderStream());
    return new Response(slow, {status: response.status, headers: response.headers});
  };
})();
"""
#: Milliseconds in which the page must have done what it does by itself.
SOON = 10_000


@pytest.fixture
def desk(browser: Browser, fake_app: str) -> Iterator[Visit]:
    with visited(browser, fake_app, viewport=DESK) as visit:
        visit.page.add_init_script(SLOW_CONNECTION)
        visit.open()
        visit.page.wait_for_timeout(1500)  # the runs of before have been looked for
        yield visit


def test_a_click_while_the_last_answer_is_on_its_way_is_not_lost(desk: Visit):
    """The server has said that all is answered, the page has not read it yet, and the click is already sent."""
    page = desk.page
    page.evaluate("hold()")
    desk.tab("Is it gone?")
    page.wait_for_function("window.held", timeout=SOON)
    with page.expect_response("**/queue/join**", timeout=SOON) as sent:
        page.locator("#attack").click()
    assert sent.value.ok
    page.wait_for_timeout(500)  # the page has read that its click was taken
    page.evaluate("release()")
    expect(page.get_by_test_id("toast-body")).to_contain_text("picture", timeout=SOON)


def test_concepts_clicked_faster_than_they_are_answered_are_all_erased(desk: Visit):
    chips = desk.page.locator("#chips")
    chips.evaluate("""(chips) => [...chips.querySelectorAll('[data-keep], [data-erase="guitar"], [data-erase="bus"]')]
        .forEach((chip) => chip.click())""")
    expect(chips.locator("[aria-pressed=true]")).to_have_text(["✕ guitar", "✕ bus"])


def test_a_stream_that_breaks_off_is_a_stream_that_breaks_off(desk: Visit):
    """What keeps clicks from being lost leaves the page's own handling of a lost connection alone."""
    page = desk.page
    page.route("**/queue/data**", lambda route: route.fulfill(status=200, content_type="text/event-stream", body=""))
    desk.tab("Retrieval")
    page.wait_for_timeout(500)
    page.unroute("**/queue/data**")
    desk.tab("Is it gone?")
    page.locator("#attack").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("picture", timeout=20_000)
