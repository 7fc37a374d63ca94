"""Shared fixtures. The embedded model is loaded once; tests that need no meaning use :class:`WordEncoder`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

# No test asks a hub, whatever machine it runs on; read when huggingface_hub is imported, here and by what tests start.
os.environ["HF_HUB_OFFLINE"] = "1"
# Tests run side by side, a core each; and sums come in one order, so that trained toys are the same on every machine.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch
from helpers.fakes import fake_services
from helpers.toy import toy, toy_gallery, toy_vocabulary  # noqa: F401  fixtures
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from unlearn import load_clip
from unlearn.app.services import Services
from unlearn.clip.caching_encoder import CachingEncoder
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.concepts.selection import load_vocabulary
from unlearn.data.gallery import bundled_gallery, restore_features

#: The files that take longest, from the longest: one that starts last would run alone.
LONGEST = (
    "ui/test_browser.py",
    "app/test_exports.py",
    "diffusion/test_apply_edits.py",
    "ui/test_searches.py",
    "ui/test_page_events.py",
    "export/test_snippets.py",
    "ui/test_sessions.py",
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave slow tests out of a run of everything, and put those of :data:`LONGEST` first, as workers take files."""
    everything = [Path(path).absolute() for path in config.args] == [Path(__file__).parent]
    if everything and not config.option.markexpr and not config.option.keyword:
        slow = [item for item in items if item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in slow]
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


class WordEncoder(CachingEncoder):
    """A fake encoder whose embeddings have no meaning: every text and every colour is a random direction of its own."""

    name = "words"
    embed_dim = 128
    logit_scale = 20.0

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return torch.stack([self._direction(text) for text in texts])

    def encode_image(self, images: Sequence[Image.Image]) -> Tensor:
        return torch.stack([self._direction(str(image.resize((1, 1)).getpixel((0, 0)))) for image in images])

    def _direction(self, key: str) -> Tensor:
        seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
        return F.normalize(torch.randn(self.embed_dim, generator=torch.Generator().manual_seed(seed)), dim=0)


@pytest.fixture
def words() -> WordEncoder:
    return WordEncoder()


@pytest.fixture(scope="session")
def pocket() -> OpenClipEncoder:
    encoder = load_clip("pocket", device="cpu")
    assert restore_features(encoder), "the shipped embeddings do not belong to the shipped weights"
    return encoder


@pytest.fixture(scope="session")
def vocabulary():
    return load_vocabulary()


@pytest.fixture(scope="session")
def gallery():
    return bundled_gallery().test


@pytest.fixture(scope="session")
def services() -> Services:
    """What an app over the fake model works with."""
    return fake_services()
