"""Running apps for the tests of the screen, each in a process of its own: one over a fake model, and the real one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gradio_client import Client
from helpers.browsing import ARGUMENTS, CHROMIUM
from helpers.calling import visiting
from helpers.watched import errors_since, served
from playwright.sync_api import Browser, sync_playwright

from unlearn.data.gallery import bundled_gallery


@pytest.fixture(autouse=True)
def no_errors_in_logs() -> Iterator[None]:
    """No app that runs meanwhile writes of an error."""
    yield
    assert errors_since() == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def fake_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the app over the fake model."""
    with served("tests/helpers/fake_app.py", log=tmp_path_factory.mktemp("fake") / "log") as (address, _):
        yield address


@pytest.fixture(scope="session")
def real_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of ``python app.py``, with the embedded model."""
    with served(log=tmp_path_factory.mktemp("real") / "log") as (address, _):
        yield address


@pytest.fixture(scope="session")
def folder_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of ``python app.py`` over a folder of a few concepts, on which CLIPErase takes seconds."""
    folder, bundled = tmp_path_factory.mktemp("pictures"), bundled_gallery()
    for concept in ("cat", "pizza", "car", "banana", "guitar", "umbrella"):
        (folder / concept).mkdir()
        drawings = [p.load() for split in (bundled.train, bundled.test) for p in split if p.concept == concept]
        for number, drawing in enumerate(drawings * 4):
            turned = drawing.rotate(7 * (number - len(drawings)), fillcolor="white")
            turned.save(folder / concept / f"{number}.png")
    log = tmp_path_factory.mktemp("folder") / "log"
    with served(log=log, UNLEARN_GALLERY=str(folder)) as (address, _):
        yield address


@pytest.fixture(scope="session")
def client(fake_app: str) -> Iterator[Client]:
    """A visitor of the fake app, who has perhaps been there before."""
    with visiting(fake_app) as visitor:
        yield visitor


@pytest.fixture
def new_client(fake_app: str) -> Iterator[Client]:
    """A visitor of the fake app on the first visit."""
    with visiting(fake_app) as visitor:
        yield visitor
