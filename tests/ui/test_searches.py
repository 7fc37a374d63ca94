"""An index finds what a gallery of the same pictures does, and none of its files can break the page."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from helpers.browsing import DESK, needs_browser, visited
from helpers.calling import visiting
from helpers.fakes import drawing, fake_services
from helpers.toy import COLOURS, toy_model
from helpers.watched import served
from playwright.sync_api import Browser, expect
from test_assistants import call

from unlearn.app.asked import ErasureRequest
from unlearn.app.edits import FineTuned
from unlearn.app.loading import open_index
from unlearn.app.results import FoundCaption, Hits
from unlearn.app.searches import NOTHING_LEFT, find_images, places
from unlearn.app.services import Services
from unlearn.app.session import SEARCH_GALLERY, SEARCH_INDEX, Session
from unlearn.clip import models
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.models import Models
from unlearn.concepts.selection import Vocabulary, select
from unlearn.data.gallery import Gallery, bundled_gallery, folder_gallery
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import CLIPEraseSettings
from unlearn.erasers.variants import BOTH, CCUP, CLIPERASE, ORIGINAL
from unlearn.errors import ImageError, ModelError, ParameterError
from unlearn.index.build import build_index
from unlearn.index.search import ImageIndex
from unlearn.index.store import Store
from unlearn.progress import run_to_end
from unlearn.ui.html import markup

EVIL = "<img src=x onerror=alert(1)>.png"


@pytest.fixture
def folder(tmp_path: Path, toy_gallery: Gallery) -> Path:
    """Four pictures of each of the toy model's concepts, a subfolder a concept."""
    for number, image in enumerate(toy_gallery.test):
        path = tmp_path / "private" / "photos" / image.concept / f"{image.concept} {number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.load().save(path)
    return tmp_path / "private" / "photos"


@pytest.fixture
def services(folder: Path, tmp_path: Path, toy: OpenClipEncoder, toy_vocabulary: Vocabulary) -> Services:
    """Services over one folder, as the gallery and as the index."""
    return with_index(folder, tmp_path / "index", toy, toy_vocabulary)


def with_index(folder: Path, out: Path, encoder: OpenClipEncoder, vocabulary: Vocabulary) -> Services:
    index = ImageIndex(run_to_end(build_index(folder, out, encoder)))
    return Services(Models(encoder, offered="any"), folder_gallery(folder), vocabulary, index=index)


def erased(services: Services, *names: str, **options: object) -> Session:
    return Session(erasure=services.erase(Session(), ErasureRequest(names, **options)))


def fine_tuned(encoder: OpenClipEncoder, vocabulary: Vocabulary) -> FineTuned:
    """What a run comes to, without the run: other weights of the picture tower."""
    weights = {"visual.proj": 0.9 * encoder.model.visual.proj}
    erasure = Erasure("cliperase", select("apple", vocabulary=vocabulary), CLIPEraseSettings(), weights)
    return FineTuned(encoder, erasure)


@pytest.mark.parametrize("side", ["image", "text", "both"])
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_the_index_answers_as_the_gallery_of_the_same_images(services: Services, side: str, strength: float):
    session = erased(services, "apple", form="consistent", side=side, strength=strength)
    for query in ("an apple", "whale"):
        slow = find_images(services, session, query)
        quick = find_images(services, session, query, SEARCH_INDEX)
        assert list(quick) == list(slow) == [ORIGINAL, CCUP]
        for variant, answer in quick.items():
            expected = slow[variant].images
            assert [hit.score for hit in answer.images] == pytest.approx([hit.score for hit in expected], abs=1e-5)
            if answer.images[0].score > answer.images[1].score + 1e-4:
                assert answer.images[0].image.source.split("/")[0] == expected[0].image.concept


def test_what_clip_finds_in_the_index_goes_with_the_concept(services: Services):
    found = find_images(services, erased(services, "apple"), "an apple", SEARCH_INDEX)
    assert found[ORIGINAL].images[0].image.source.startswith("apple/")
    assert not found[CCUP].images[0].image.source.startswith("apple/")


@pytest.mark.parametrize("source", [SEARCH_GALLERY, SEARCH_INDEX])
def test_of_a_word_that_is_all_gone_no_order_is_shown(services: Services, source: str):
    found = find_images(services, erased(services, "apple", form="nullspace"), "apple", source)
    assert found[ORIGINAL].images
    assert found[CCUP] == Hits(unanswered=NOTHING_LEFT)


def test_of_a_image_that_is_all_gone_no_caption_is_shown():
    page = markup.found_captions({ORIGINAL: [FoundCaption("an apple", "apple", 0.5)], CCUP: []}, ["apple"])
    assert page.count(markup.NOTHING_LEFT) == 1


def test_only_the_weights_that_made_the_index_are_answered_for(
    services: Services, toy: OpenClipEncoder, toy_vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch
):
    session = Session(erasure=erased(services, "apple").erasure, fine_tuned=fine_tuned(toy, toy_vocabulary))
    found = find_images(services, session, "an apple", SEARCH_INDEX)
    assert {v: bool(answer.images) for v, answer in found.items()} == {
        ORIGINAL: True, CCUP: True, CLIPERASE: False, BOTH: False
    }  # fmt: skip
    page = markup.found_images(found, session.erased)
    assert page.count("<section>") == 4
    assert page.count("would have to see them again") == 2

    monkeypatch.setattr(models, "load_clip", lambda name, **_: toy_model(seed=1))
    other = find_images(services, Session(model="another"), "an apple", SEARCH_INDEX)
    assert not other[ORIGINAL].images
    page = markup.found_images(other, [])
    assert "<section>" not in page, "one sentence, in the place of all columns"
    assert "what “toy” saw" in page


def test_a_file_that_is_gone_or_broken_is_a_name_and_the_rest_is_shown(services: Services, folder: Path):
    (folder / "apple").rename(folder / "elsewhere")
    for path in (folder / "lemon").iterdir():
        path.write_bytes(path.read_bytes()[:60])
    found = find_images(services, Session(), "an apple", SEARCH_INDEX)
    page = markup.found_images(found, [])
    assert page.count("<figure") == 8
    lost = re.findall(r'role="img" aria-label="(.+?), not readable"', page)
    assert lost
    assert all(path.startswith(("apple/", "lemon/")) for path in lost)
    assert page.count("<img") == 8 - len(lost)
    for path in lost:
        assert f">{path.split('/')[1]}</span>" in page


def test_nothing_is_told_of_the_servers_disk(services: Services, folder: Path):
    (folder / "apple").rename(folder / "elsewhere")
    found = find_images(services, Session(), "an apple", SEARCH_INDEX)
    reported = markup.found_images(found, []) + str(places(services, Session()))
    assert "private" not in reported
    assert str(folder.parent) not in reported
    assert 'title="apple/apple ' in reported
    assert places(services, Session())[SEARCH_INDEX] == "photos (24 pictures)"


def test_a_files_name_is_text_whatever_it_is_made_of(tmp_path: Path, toy: OpenClipEncoder, toy_vocabulary: Vocabulary):
    folder = tmp_path / EVIL.removesuffix(".png") / "a"
    folder.mkdir(parents=True)
    image = drawing("cat")
    image.save(folder / EVIL)
    image.save(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))  # a name that is no UTF-8
    services = with_index(folder.parent, tmp_path / "index", toy, toy_vocabulary)
    page = markup.found_images(find_images(services, Session(), "apple", SEARCH_INDEX), [])
    assert page.encode()
    assert page.count('src="data:image/') == 2
    assert "<img src=x" not in page
    assert EVIL in html.unescape(page)
    assert ">caf?.png<" in page


def test_a_thumbnail_is_made_once_for_all_that_is_asked(services: Services, monkeypatch: pytest.MonkeyPatch):
    made: list[object] = []
    monkeypatch.setattr(markup, "data_uri", lambda image, **_: made.append(image) or "data:image/webp;base64,")
    for query in ("an apple", "apple", "an apple"):
        markup.found_images(find_images(services, erased(services, "frog"), query, SEARCH_INDEX), [])
    assert 0 < len(made) <= len(services.index.store)


def test_without_an_index_there_is_one_place_and_no_other_is_taken():
    services = fake_services()
    assert list(places(services, Session())) == [SEARCH_GALLERY]
    with pytest.raises(ParameterError, match="source is 'index'; choose one of gallery"):
        find_images(services, Session(), "a cat", SEARCH_INDEX)


def test_the_place_says_whose_images_they_are(services: Services, toy_gallery: Gallery):
    own = Session(uploads=toy_gallery.train, measured_on="own")
    assert places(services, own)[SEARCH_GALLERY] == "My pictures"
    assert places(services, Session())[SEARCH_GALLERY] == "The app's gallery"


def test_an_index_that_cannot_be_used_is_told_at_the_start(tmp_path: Path, folder: Path, toy: OpenClipEncoder):
    assert open_index("", toy) is None
    with pytest.raises(ImageError, match="not an index that can be read"):
        open_index(str(folder), toy)
    run_to_end(build_index(folder, tmp_path / "index", toy))
    assert len(open_index(str(tmp_path / "index"), toy).store) == 4 * len(COLOURS)
    with pytest.raises(ModelError, match="was made by “toy”; the app runs “toy”, which has other weights"):
        open_index(str(tmp_path / "index"), toy_model(seed=1))


@pytest.fixture(scope="module")
def index_app(tmp_path_factory: pytest.TempPathFactory, pocket: OpenClipEncoder) -> Iterator[str]:
    """Address of ``python app.py`` over a few pictures, which are its index too; one file is gone."""
    root, bundled = tmp_path_factory.mktemp("app"), bundled_gallery().test
    for concept in ("dog", "pizza", "car", "guitar"):
        (root / "pictures" / concept).mkdir(parents=True)
        for number, image in enumerate(p for p in bundled if p.concept == concept):
            image.load().save(root / "pictures" / concept / f"{concept} {number}.png")
    store: Store = run_to_end(build_index(root / "pictures", root / "index", pocket))
    store.image(store.paths.index("car/car 0.png")).unlink()
    settings = {"UNLEARN_GALLERY": str(root / "pictures"), "UNLEARN_INDEX": str(root / "index")}
    with served(log=root / "log", **settings) as (address, _):
        yield address


def test_programs_and_assistants_search_it(index_app: str):
    with visiting(index_app) as client:
        in_gallery = client.predict("a dog", None, ["dog"], api_name="/retrieve")
        in_index = client.predict("a dog", source="index", api_name="/retrieve")
        with pytest.raises(AppError, match="choose one of gallery, index"):
            client.predict("a dog", source="/etc", api_name="/retrieve")
    assert in_gallery["images"]["Original"][0]["concept"] == "dog"
    assert in_index["images"]["Original"][0]["file"].startswith("dog/dog")
    assert in_index["unanswered"] == {}
    best = {variant: hits[0]["score"] for variant, hits in in_index["images"].items()}
    assert best["CCUP"] < best["Original"] / 1.5
    reported = call(index_app, "retrieve", query="a dog", forget=["dog"], source="index")
    assert reported["images"]["CCUP"][0]["score"] == pytest.approx(best["CCUP"], abs=1e-4)


def test_only_a_program_that_names_it_gets_it(client: Client):
    with pytest.raises(AppError, match="source is 'index'; choose one of gallery"):
        client.predict("a cat", source="index", api_name="/retrieve")


@needs_browser
def test_a_visitor_chooses_where_to_search(browser: Browser, index_app: str):
    with visited(browser, index_app, viewport=DESK) as visit:
        page, found = visit.page, visit.page.locator("#found-pictures")
        visit.open()
        visit.tab("Retrieval")
        expect(page.locator("#recall")).to_contain_text("@10")
        expect(found).to_contain_text("✕ dog")
        page.get_by_label("pictures (").check()
        expect(found.locator("section").first.locator("figure").first).to_contain_text("dog 0.png")
        page.get_by_label("Text → pictures").fill("a car")
        expect(found.get_by_role("img", name="car/car 0.png, not readable").first).to_be_visible()
        page.get_by_label("Strength").first.fill("0.5")  # an edit that moves leaves the place chosen
        expect(page.get_by_label("pictures (")).to_be_checked()
        expect(found).to_contain_text("car 1.png")
        visit.fits()
