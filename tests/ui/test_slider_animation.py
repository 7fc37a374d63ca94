"""The strength slider moved from 0 to 1 in a real browser; with ``UNLEARN_SCREENSHOTS=DIR`` the README's animation."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from helpers.browsing import SCREENSHOTS, Visit, needs_browser
from PIL import Image
from playwright.sync_api import Browser, expect

pytestmark = needs_browser
#: Wide enough that panel, slider and chart stand side by side.
WINDOW = {"width": 1280, "height": 940}
#: In milliseconds; the ends are looked at longer.
FRAME, END = 180, 1400
MOST_BYTES = 3_000_000


@pytest.fixture
def visit(browser: Browser, real_app: str):
    context = browser.new_context(viewport=WINDOW, color_scheme="light")
    yield Visit(context.new_page(), real_app)
    context.close()


def test_the_bars_follow_the_slider(visit: Visit, tmp_path: Path):
    page = visit.page
    visit.open()
    slider = page.locator("#strength input[type=range]")
    box = page.locator("#strength input[type=number]")
    frames: list[Image.Image] = []
    strengths = [i / (20 if SCREENSHOTS else 2) for i in range(21 if SCREENSHOTS else 3)]
    shown = []
    for strength in strengths:
        box.fill(f"{strength:g}")
        box.press("Enter")
        expect(slider).to_have_value(re.compile(rf"^{strength:g}$"))
        page.wait_for_timeout(1200)  # the answer, and the chart's own transition
        shown.append(page.locator("#label-chart .bars").first.inner_html())
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        frames.append(shot.resize((3 * shot.width // 4, 3 * shot.height // 4), Image.Resampling.LANCZOS))
    assert shown[0] != shown[-1]
    assert visit.complaints == []
    file = save_animation(frames, Path(SCREENSHOTS) if SCREENSHOTS else tmp_path)
    assert file.stat().st_size <= MOST_BYTES


def save_animation(frames: list[Image.Image], folder: Path) -> Path:
    """``slider.gif`` in ``folder``: there and back, the ends held."""
    palette = frames[0].quantize(128, Image.Quantize.MEDIANCUT)
    reduced = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    there_and_back = [*reduced, *reversed(reduced[1:-1])]
    durations = [END, *[FRAME] * (len(reduced) - 2), END, *[FRAME] * (len(reduced) - 2)]
    file = folder / "slider.gif"
    there_and_back[0].save(
        file, save_all=True, append_images=there_and_back[1:], duration=durations, loop=0, optimize=True
    )
    return file
