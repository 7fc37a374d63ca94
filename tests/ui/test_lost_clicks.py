"""A click that comes while the page stops listening to the server is answered all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.browsing import DESK, Visit, needs_browser
from playwright.sync_api import Browser, Route, expect

pytestmark = needs_browser


@pytest.fixture
def desk(browser: Browser, fake_app: str) -> Iterator[Visit]:
    context = browser.new_context(viewport=DESK)
    visit = Visit(context.new_page(), fake_app)
    yield visit
    assert not visit.complaints
    context.close()


def test_a_click_while_the_last_answer_is_on_its_way_is_not_lost(desk: Visit):
    """The server has said that all is answered, the page has not read it yet, and the click is already sent."""
    page, held = desk.page, list[Route]()
    desk.open()
    page.wait_for_timeout(1500)  # the runs of before have been looked for
    page.route("**/queue/data**", lambda route: held.append(route))  # noqa: PLW0108  a builtin cannot be marked
    desk.tab("Is it gone?")
    while not held:
        page.wait_for_timeout(50)
    answer = held[0].fetch()  # all of it, to its end
    assert "close_stream" in answer.text()
    page.unroute("**/queue/data**")
    with page.expect_response("**/queue/join**") as sent:
        page.locator("#attack").click()
    assert sent.value.ok
    page.wait_for_timeout(500)
    held[0].fulfill(response=answer)
    expect(page.get_by_test_id("toast-body")).to_contain_text("picture", timeout=20_000)


def test_a_stream_that_breaks_off_is_a_stream_that_breaks_off(desk: Visit):
    """What keeps clicks from being lost leaves the page's own handling of a lost connection alone."""
    page = desk.page
    desk.open()
    page.wait_for_timeout(1500)
    page.route("**/queue/data**", lambda route: route.fulfill(status=200, content_type="text/event-stream", body=""))
    desk.tab("Retrieval")
    page.wait_for_timeout(500)
    page.unroute("**/queue/data**")
    desk.tab("Is it gone?")
    page.locator("#attack").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("picture", timeout=20_000)
