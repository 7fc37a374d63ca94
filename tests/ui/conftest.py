"""Running apps for the tests of the screen, each in a process of its own: one over a fake model, and the real one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browsing import ARGUMENTS, CHROMIUM
from fakes import fake_services
from gradio_client import Client
from playwright.sync_api import Browser, sync_playwright

from unlearn.gallery import bundled_gallery
from unlearn.ui.services import Services

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def services() -> Services:
    return fake_services()


@pytest.fixture(scope="session")
def fake_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the app over the fake model."""
    with served("tests/ui/fake_app.py", tmp_path_factory.mktemp("fake") / "log") as address:
        yield address


@pytest.fixture(scope="session")
def real_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of ``python app.py``, with the embedded model."""
    with served("app.py", tmp_path_factory.mktemp("real") / "log") as address:
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
    with served("app.py", log, UNLEARN_GALLERY=str(folder)) as address:
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


@contextmanager
def visiting(address: str) -> Iterator[Client]:
    visitor = Client(address, verbose=False)
    try:
        yield visitor
    finally:
        visitor.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(script: str, log: Path, seconds: float = 60, **settings: str) -> Iterator[str]:
    """The address at which ``script`` answers; ``settings`` go into its environment."""
    port = free_port()
    own = {"UNLEARN_PORT": str(port), "UNLEARN_HOST": "127.0.0.1", "PYTHONPATH": str(ROOT)}
    environ = os.environ | own | settings
    address = f"http://127.0.0.1:{port}"
    with log.open("w") as out, subprocess.Popen([sys.executable, script], cwd=ROOT, env=environ, stderr=out) as process:
        try:
            deadline = time.monotonic() + seconds
            while not _answers(address):
                assert process.poll() is None, f"{script} ended: {log.read_text()}"
                assert time.monotonic() < deadline, f"{script} did not answer in {seconds} s: {log.read_text()}"
                time.sleep(0.1)
            yield address
        finally:
            process.terminate()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False
