"""A real browser goes through every view; any error in its console or in the server's log fails the test.

With ``UNLEARN_SCREENSHOTS=DIR`` the README's pictures are written on the way.
"""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.browsing import DESK, PHONE, SCREENSHOTS, Visit, needs_browser, visited
from helpers.calling import visiting
from helpers.strange_files import UNUSABLE
from PIL import Image
from playwright.sync_api import Browser, expect

from unlearn.erasers.methods import COMPARED

pytestmark = needs_browser


@pytest.fixture(params=["desktop-light", "phone-light", "desktop-dark", "phone-dark"])
def visit(request: pytest.FixtureRequest, browser: Browser, real_app: str) -> Iterator[Visit]:
    device, scheme = request.param.split("-")
    if scheme == "dark" and not SCREENSHOTS:
        pytest.skip("dark is for the screenshots: set UNLEARN_SCREENSHOTS")
    size = DESK if device == "desktop" else PHONE
    with visited(browser, real_app, viewport=size, color_scheme=scheme) as visit:
        yield visit


def test_a_visitor_erases_looks_and_searches(visit: Visit, request: pytest.FixtureRequest, tmp_path: Path):
    page, name = visit.page, request.node.callspec.id
    visit.open()
    expect(page.locator("#picture img")).to_be_visible()
    expect(page.locator("#label-chart")).to_contain_text("✕ dog")
    expect(page.locator("#label-chart")).to_contain_text("CCUP")
    visit.fits()
    visit.shoot(name)

    visit.erase("pizza")
    expect(page.locator("#accuracy")).to_contain_text("Erased")
    visit.tab("Retrieval")
    expect(page.locator("#recall")).to_contain_text("@10")
    original, edited = page.locator("#found-pictures section").nth(0), page.locator("#found-pictures section").nth(1)
    expect(original.locator("figure").first).to_contain_text("✕ dog")
    best_before, best_after = (float(side.locator("figure small").first.inner_text()) for side in (original, edited))
    assert best_after < best_before / 2
    page.get_by_label("Text → pictures").fill("a pizza")
    expect(original).to_contain_text("✕ pizza")
    expect(page.locator("#found-captions")).to_contain_text("dog")
    expect(page.get_by_text("Search in")).to_have_count(0)  # there is no index
    visit.fits()
    visit.shoot(f"{name}-retrieval")

    visit.tab("Generation")
    page.get_by_label("Prompt").fill("a dog and a car on a blue background")
    page.locator("#draw").click()
    drawn = page.locator("#drawn figure")
    expect(drawn).to_have_count(8, timeout=120_000)
    expect(page.locator("#drawn")).to_contain_text("✕ dog")
    expect(page.locator("#drawn")).to_contain_text("car")
    expect(page.locator("#sliders img").first).to_be_visible()
    visit.fits()
    visit.shoot(f"{name}-generation")
    with page.expect_download() as sheet:
        page.get_by_role("button", name="Save these pictures").click()
    sheet.value.save_as(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as drawings:
        assert drawings.size == (4 * 64, 2 * 64)
    visit.erase("train")
    expect(page.locator("#outdated")).to_contain_text("The pictures below are of an earlier edit")
    page.locator("#undo").click()
    expect(page.locator("#outdated")).to_have_text("")

    if SCREENSHOTS:
        visit.tab("Trade-off")
        expect(page.locator("#by-count .js-plotly-plot")).to_be_visible(timeout=120_000)
        expect(page.locator("#own-similarity .js-plotly-plot")).to_be_visible()
        visit.shoot(f"{name}-trade-off")


@pytest.fixture(params=["desktop-light", "phone-light", "desktop-dark", "phone-dark"])
def folder_visit(request: pytest.FixtureRequest, browser: Browser, folder_app: str) -> Iterator[Visit]:
    device, scheme = request.param.split("-")
    if request.param != "desktop-light" and not SCREENSHOTS:
        pytest.skip("for the screenshots: set UNLEARN_SCREENSHOTS")
    size = DESK if device == "desktop" else PHONE
    with visited(browser, folder_app, viewport=size, color_scheme=scheme) as visit:
        yield visit


def test_a_run_is_watched_joins_every_view_and_is_taken_off(folder_visit: Visit, request: pytest.FixtureRequest):
    visit, page = folder_visit, folder_visit.page
    visit.open()
    visit.tab("CLIPErase")
    expect(page.locator("#run-status")).to_contain_text("No run yet")
    expect(page.locator("#run-losses")).to_be_hidden()
    page.locator("#start-run").click()
    expect(page.locator("#run-status")).to_contain_text("Done in", timeout=180_000)
    for chart in ("#run-losses", "#run-accuracy"):
        expect(page.locator(f"{chart} .js-plotly-plot")).to_be_visible()
    visit.fits()
    visit.shoot(f"{request.node.callspec.id}-cliperase")
    visit.tab("Zero-shot")
    expect(page.locator("#accuracy")).to_contain_text("CLIPErase + CCUP")
    visit.reload()
    expect(page.locator("#accuracy")).to_contain_text("CLIPErase + CCUP", timeout=120_000)
    visit.tab("CLIPErase")
    page.locator("#remove-run").click()
    expect(page.locator("#run-status")).to_contain_text("No run yet")
    expect(page.locator("#run-losses")).to_be_hidden()
    visit.tab("Zero-shot")
    expect(page.locator("#accuracy")).not_to_contain_text("CLIPErase")


def test_a_file_of_both_edits_is_opened_in_the_background_and_joins_every_view(folder_visit: Visit, tmp_path: Path):
    visit, page = folder_visit, folder_visit.page
    with visiting(visit.address) as client:
        *_, last = client.submit(["pizza"], steps=2, api_name="/cliperase")
        assert last["state"] == "done"
        client.predict(["guitar"], strength=0.6, api_name="/erase")
        path, _ = client.predict("edit", "", api_name="/export")
        shutil.copy(path, tmp_path / "edit.safetensors")
    visit.open()
    visit.tab("Export")
    page.locator("#open-edit input[type=file]").set_input_files(tmp_path / "edit.safetensors")
    expect(page.get_by_test_id("toast-body")).to_contain_text("guitar, pizza, erased by CLIPErase + CCUP")
    expect(page.locator("#forget")).to_contain_text("guitar", timeout=120_000)
    expect(page.get_by_role("spinbutton", name="Strength")).to_have_value("0.6")
    visit.tab("CLIPErase")
    expect(page.locator("#run-status")).to_contain_text("every view now shows")
    visit.tab("Zero-shot")
    expect(page.locator("#accuracy")).to_contain_text("CLIPErase + CCUP")
    assert visit.complaints == []


@pytest.mark.slow
def test_an_edit_is_attacked_and_what_closes_a_leak_changes_it(desk: Visit):
    page = desk.page
    desk.open()
    desk.tab("Is it gone?")
    page.locator("#attack").click()
    expect(page.locator("#audit-status progress")).to_be_visible()
    page.locator("#stop-attack:not([disabled])").click()
    expect(page.locator("#audit-status")).to_contain_text("Stopped")
    page.locator("#attack:not([disabled])").click()
    expect(page.locator("#relearning .js-plotly-plot")).to_be_visible(timeout=240_000)
    marks = page.locator("#findings .u-mark").all_inner_texts()
    assert "✕ leaked" in marks
    assert set(marks) <= {"✓ held", "✕ leaked", "? undecided", "– no answer", "not counted"}
    expect(page.locator("#findings .u-answer")).to_contain_text("Not gone.")
    leak = page.locator("#findings details", has_text="✕ leaked").first
    leak.locator("summary").click()
    expect(leak).to_contain_text("95 % interval")
    desk.fits()
    desk.shoot("desktop-light-is-it-gone")

    for size, width in ((PHONE, r"3\d\d"), (DESK, r"9\d\d")):
        page.set_viewport_size(size)
        expect(page.locator("#relearning .main-svg").first).to_have_attribute("width", re.compile(width))
    # Plotly has left a legend where it stood in the narrower window.
    legend, ground = (page.locator(f"#relearning {part}").bounding_box() for part in (".legend", ".bglayer"))
    assert legend
    assert ground
    assert legend["y"] + legend["height"] <= ground["y"] + 1

    page.get_by_role("button", name="Edit texts too").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("Texts are edited too")
    expect(page.locator("#findings")).to_contain_text("have changed since")
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_label("Both")).to_be_checked()
    page.get_by_label("Paired").check()  # which acts on one side
    expect(page.get_by_label("Pictures", exact=True)).to_be_checked()
    expect(page.get_by_label("Both")).to_have_count(0)
    # Which is the edit that was attacked.
    expect(page.locator("#findings")).not_to_contain_text("have changed since")


@pytest.mark.slow
def test_leaking_words_are_erased_too_and_cliperase_starts_on_top(folder_visit: Visit):
    visit, page = folder_visit, folder_visit.page
    visit.open("?forget=umbrella&strength=0.5")
    visit.tab("Is it gone?")
    page.locator("#attack").click()
    words = page.get_by_role("button", name="Erase the leaking words too")
    expect(words).to_be_visible(timeout=240_000)
    words.click()
    expect(page.get_by_test_id("toast-body").filter(has_text="Erased too")).to_contain_text("parapluie")
    expect(page.locator("#forget")).to_contain_text("parapluie")
    expect(page.locator("#findings")).to_contain_text("have changed since")

    # Of the words there are no pictures to learn from, of the concept there are.
    page.get_by_role("button", name="Start CLIPErase on top").click()
    expect(page.get_by_test_id("toast-body").filter(has_text="CLIPErase has begun")).to_be_visible()
    visit.tab("CLIPErase")
    expect(page.locator("#run-status")).to_contain_text("Done in", timeout=180_000)
    visit.tab("Zero-shot")
    expect(page.locator("#accuracy")).to_contain_text("CLIPErase + CCUP")


@pytest.mark.slow
def test_other_methods_stand_beside_the_edit_those_that_train_too(folder_visit: Visit):
    visit, page = folder_visit, folder_visit.page
    visit.open()
    visit.tab("Is it gone?")
    page.get_by_label("Also those that train").check()
    page.locator("#compare").click()
    expect(page.locator("#comparison-status")).to_contain_text("CLIPErase")
    page.locator("#stop-comparing:not([disabled])").click()
    expect(page.locator("#comparison-status")).to_contain_text("Stopped")
    page.locator("#compare:not([disabled])").click()
    expect(page.locator("#compared tbody tr")).to_have_count(len(COMPARED), timeout=240_000)
    expect(page.locator("#methods .js-plotly-plot")).to_be_visible()
    default = page.locator("#compared tr", has_text=COMPARED["ccup"].label)
    expect(default.locator("td").nth(1)).to_contain_text("0")
    visit.fits()


def test_a_drawing_is_stopped_and_what_cannot_be_drawn_is_said(desk: Visit):
    page = desk.page
    desk.open()
    desk.tab("Generation")
    page.get_by_role("button", name="How to draw").click()
    page.get_by_label("Seed of the first picture").fill("-1")
    page.locator("#draw").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("seed is -1")
    page.get_by_label("Seed of the first picture").fill("0")
    page.get_by_label("Steps (empty: automatic)").fill("150")
    page.locator("#draw").click()
    page.locator("#stop-drawing:not([disabled])").click()
    expect(page.locator("#drawing-status")).to_contain_text("Stopped")
    expect(page.locator("#draw")).to_be_enabled()


@pytest.fixture
def desk(browser: Browser, real_app: str) -> Iterator[Visit]:
    with visited(browser, real_app, viewport=DESK) as visit:
        yield visit


def test_the_slider_moves_the_numbers_without_a_button(desk: Visit):
    desk.open()
    after = desk.page.locator("#summary .u-metric b").first
    at_full = after.inner_text()
    slider = desk.page.get_by_role("slider", name="Strength")
    slider.focus()
    slider.press("Home")
    expect(after).not_to_have_text(at_full)


def test_an_edit_is_undone_and_redone_and_a_drag_is_one_change(desk: Visit):
    desk.open()
    page, forget = desk.page, desk.page.locator("#forget")
    undo, redo, strength = page.locator("#undo"), page.locator("#redo"), page.get_by_role("spinbutton", name="Strength")
    expect(undo).to_be_disabled()
    desk.erase("pizza")
    slider = page.get_by_role("slider", name="Strength")
    slider.focus()
    for position in ("0.99", "0.98", "0.97"):
        slider.press("ArrowLeft")
        expect(page.locator("#address textarea, #address input")).to_have_value(
            f"?forget=dog,pizza&strength={position}"
        )
    undo.click()
    expect(strength).to_have_value("1")
    undo.click()
    expect(forget).not_to_contain_text("pizza")
    expect(page.locator("#chips")).not_to_contain_text("✕ pizza")
    expect(undo).to_be_disabled()
    for text in ("1", "0.97"):
        redo.click()
        expect(forget).to_contain_text("pizza")
        expect(strength).to_have_value(text)
    expect(redo).to_be_disabled()


def test_each_class_is_listed_sorted_and_saved(desk: Visit):
    desk.open()
    page, rows = desk.page, desk.page.locator("#classes tbody tr")
    page.get_by_role("button", name="What happened to each class").click()
    expect(rows.first).to_contain_text("✕ dog")
    for order, reverse in (("ascending", False), ("descending", True)):
        page.locator("#classes th button", has_text="Now called").click()
        expect(page.locator("#classes th", has_text="Now called")).to_have_attribute("aria-sort", order)
        called = [row.split("\t")[-1].strip().casefold() for row in rows.all_inner_texts()]
        assert called == sorted(called, reverse=reverse)
    with page.expect_download() as table:
        page.get_by_text("All classes as CSV").click()
    with Path(table.value.path()).open(encoding="utf-8", newline="") as file:
        first, *others = csv.DictReader(file)
    assert (first["class"], first["top-1 Original"], first["top-1 CCUP"]) == ("dog", "1.0000", "0.0000")
    assert len(others) > 300


def test_a_prompt_is_chosen_and_one_that_names_nothing_is_told(desk: Visit):
    desk.open()
    desk.tab("Generation")
    page, prompt = desk.page, desk.page.get_by_label("Prompt")
    page.get_by_role("button", name="another thing: a pizza").click()
    expect(prompt).to_have_value("a pizza on a blue background")
    prompt.fill("a spaceship")
    expect(page.locator("#unknown-prompt")).to_contain_text("draws 100 things, and this prompt names none of them")
    page.get_by_text("All 100 things").click()
    page.locator("#offers").get_by_role("button", name="guitar", exact=True).click()
    expect(prompt).to_have_value("a guitar on a blue background")
    expect(page.locator("#unknown-prompt")).to_have_text("")
    page.get_by_role("button", name="How to draw").click()
    page.locator("#shuffle").click()
    expect(page.get_by_label("Seed of the first picture")).not_to_have_value("0")


def test_curves_are_measured_when_their_tab_is_opened_and_stopped(desk: Visit):
    desk.open()
    desk.tab("Trade-off")
    page = desk.page
    expect(page.locator("#trade-off-status progress")).to_be_visible()
    page.locator("#stop-measuring:not([disabled])").click()
    expect(page.locator("#trade-off-status")).to_contain_text("Stopped")
    page.locator("#measure:not([disabled])").click()
    expect(page.locator("#by-count .js-plotly-plot")).to_be_visible()
    expect(page.locator("#measure")).to_be_hidden()
    expect(page.locator("#trade-off-status")).to_have_text("")


def test_a_file_that_is_no_image_leaves_everything_on_screen(desk: Visit, tmp_path: Path):
    make, sentence = UNUSABLE["text.png"]
    make(tmp_path / "text.png")
    desk.open()
    shown = desk.page.locator("#picture img").get_attribute("src")
    assert shown is not None
    chart = desk.page.locator("#label-chart .js-plotly-plot")  # without the clock that Gradio shows while it waits
    bars = chart.inner_text()
    desk.page.get_by_label("Remove Image").click()
    desk.page.locator("#picture input[type=file]").set_input_files(tmp_path / "text.png")
    expect(desk.page.get_by_test_id("toast-body")).to_contain_text(sentence)
    expect(desk.page.locator("#picture img")).to_be_visible()
    assert chart.inner_text() == bars
    assert "Traceback" not in desk.page.content()


def test_a_thumbnail_and_a_list_of_labels_choose_what_is_classified(desk: Visit):
    desk.open()
    page, chart = desk.page, desk.page.locator("#label-chart .js-plotly-plot")
    another = page.locator("#strip button", has_not_text="dog").first
    name = another.inner_text().strip()
    another.click()
    expect(chart).to_contain_text(name)
    for label in ("spaceship", "hot dog's"):
        desk.add("#labels", label)
        expect(chart).to_contain_text(label)
        expect(chart).not_to_contain_text(name)
    desk.add("#labels", "42")
    expect(page.get_by_test_id("toast-body")).to_contain_text("The label “42” has no letters")
    expect(chart).to_contain_text("spaceship")
    page.locator("#labels .remove-all").click()
    expect(chart).to_contain_text(name)


def test_nearest_neighbours_outlast_a_link_a_reload_and_other_words(desk: Visit):
    page, link = desk.page, desk.page.locator("#share-link a")
    neighbours = page.get_by_label("Nearest neighbours")
    desk.open()
    page.get_by_role("button", name="Settings").click()
    neighbours.check()
    desk.tab("Export")
    expect(link).to_have_attribute("href", "?forget=dog&retain=neighbours")
    desk.open("?forget=dog&retain=neighbours")
    for again in (desk.reload, lambda: None):
        again()
        desk.tab("Export")
        expect(link).to_have_attribute("href", "?forget=dog&retain=neighbours")
    page.get_by_role("button", name="Settings").click()
    expect(neighbours).to_be_checked()
    page.get_by_role("button", name="Model: pocket").click()
    page.get_by_label("Words it chooses among").click()
    page.get_by_role("option", name="CIFAR-100").click()
    page.locator("#use-model").click()
    expect(page.locator("#model-note")).to_contain_text("100 words")
    expect(link).to_have_attribute("href", "?model=pocket&vocabulary=cifar100&forget=dog&retain=neighbours")
    expect(neighbours).to_be_checked()


def test_words_of_ones_own_are_offered_and_a_model_out_of_reach_changes_nothing(desk: Visit):
    desk.open()
    page = desk.page
    page.get_by_role("button", name="Model: pocket").click()
    page.get_by_label("CLIP", exact=True).fill("ViT-B-32//etc/passwd")
    page.get_by_label("CLIP", exact=True).press("Enter")
    page.locator("#use-model").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("is not offered here")
    expect(page.locator("#model-note")).to_contain_text("466 words")
    page.get_by_label("CLIP", exact=True).fill("pocket")
    page.get_by_label("CLIP", exact=True).press("Enter")
    page.get_by_label("Words it chooses among").click()
    page.get_by_role("option", name="My own list").click()
    page.get_by_label("My words").fill("dog, wolf, spaceship")
    page.locator("#use-model").click()
    expect(page.locator("#model-note")).to_contain_text("3 words")
    expect(page.locator("#label-chart")).to_contain_text("spaceship")
    expect(page.locator("#summary")).to_contain_text("wolf")


def test_a_link_and_a_file_bring_an_erasure_back(desk: Visit, tmp_path: Path):
    page = desk.page
    desk.open("?forget=guitar,pizza&strength=0.8&form=nullspace")
    expect(page.locator("#forget")).to_contain_text("guitar")
    expect(page.get_by_role("spinbutton", name="Strength")).to_have_value("0.8")
    desk.tab("Export")
    link = page.locator("#share-link a")
    expect(link).to_have_attribute("href", "?forget=guitar,pizza&form=nullspace&strength=0.8")
    page.locator("#make-export").click()
    expect(page.locator("#export-code")).to_contain_text("edit.safetensors")
    with page.expect_download() as download:
        page.locator("#export-file a").first.click()
    download.value.save_as(tmp_path / "edit.safetensors")
    desk.fits()

    desk.open()
    expect(page.locator("#forget")).to_contain_text("dog")
    desk.tab("Export")
    page.locator("#open-edit input[type=file]").set_input_files(tmp_path / "edit.safetensors")
    expect(page.get_by_test_id("toast-body")).to_contain_text("guitar, pizza, erased by CCUP")
    expect(page.locator("#forget")).to_contain_text("guitar")
    expect(link).to_have_attribute("href", "?forget=guitar,pizza&form=nullspace&strength=0.8")


def test_a_bad_link_is_told_and_the_page_opens_as_always(desk: Visit):
    desk.page.goto(f"{desk.address}/?forget=cat&strength=much")
    expect(desk.page.get_by_test_id("toast-body")).to_contain_text("strength in this link is 'much'")
    expect(desk.page.locator("#forget")).to_contain_text("dog")
