"""The page follows its strength slider by itself, and agrees with the server once the slider rests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.browsing import DESK, Visit, needs_browser, visited
from playwright.sync_api import Browser, Request

pytestmark = needs_browser

SHOWN = """() => {
  const plot = document.querySelector('#label-chart .js-plotly-plot');
  const bar = plot.data.at(-1);
  return {bars: Object.fromEntries(bar.customdata.map((label, place) => [label, bar.x[place]])),
          numbers: [...document.querySelectorAll('#summary .u-numbers b')].map((number) => number.textContent.trim())};
}"""
#: Drags the slider over several positions within one task of the browser.
DRAG = """(slider) => {
  for (const strength of ['0.9', '0.6', '0.3', '0.45']) {
    slider.value = strength;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
  }
}"""
#: Does so and returns how many requests there were until the bars had moved.
ASKED_MEANWHILE = f"""async (slider) => {{
  const shown = {SHOWN}, asked = () => performance.getEntriesByName('queue', 'mark').length;
  const plain = window.fetch;
  window.fetch = (...request) => {{
    if (String(request[0].url ?? request[0]).includes('/queue/join')) performance.mark('queue');
    return plain(...request);
  }};
  const before = JSON.stringify(shown());
  ({DRAG})(slider);
  while (JSON.stringify(shown()) === before) await new Promise((resolve) => setTimeout(resolve));
  return asked();
}}"""


@pytest.fixture
def desk(browser: Browser, real_app: str) -> Iterator[Visit]:
    with visited(browser, real_app, viewport=DESK) as visit:
        yield visit


def test_the_page_follows_the_slider_and_asks_the_server_once(desk: Visit):
    desk.open("?forget=dog")
    page, asked = desk.page, list[Request]()
    page.wait_for_timeout(1000)
    before = page.evaluate(SHOWN)
    page.on("request", lambda request: asked.append(request) if "/queue/join" in request.url else None)
    slider = page.locator("#strength input[type=range]")
    assert slider.evaluate(ASKED_MEANWHILE) == 0, "the bars moved before the server was asked"
    followed = page.evaluate(SHOWN)
    page.wait_for_url("**strength=0.45*")
    answered = page.evaluate(SHOWN)
    both = answered["bars"].keys() & followed["bars"].keys()  # the server may choose other labels to show
    assert "dog" in both
    for label in both:
        assert answered["bars"][label] == pytest.approx(followed["bars"][label], abs=1e-5)
        assert answered["bars"][label] != before["bars"].get(label)
    assert answered["numbers"] == followed["numbers"]
    assert len(asked) == 1


def test_what_the_page_cannot_follow_the_server_answers(desk: Visit):
    desk.open("?forget=dog&form=consistent&side=text")
    page = desk.page
    before = page.evaluate(SHOWN)
    page.locator("#strength input[type=range]").evaluate(DRAG)
    page.wait_for_url("**strength=0.45*")
    assert page.evaluate(SHOWN)["bars"] != before["bars"]
