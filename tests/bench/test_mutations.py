"""A mutated file is read, or refused in a sentence: never another exception, never a number that is none."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from unlearn.bench.mutations import mutated_edits, mutated_indexes
from unlearn.concepts.prompts import TEMPLATES
from unlearn.concepts.selection import select
from unlearn.erasers import ccup
from unlearn.erasers.erasure import Erasure, Stacked
from unlearn.erasers.settings import CLIPEraseSettings
from unlearn.errors import UnlearnError
from unlearn.export.edit_file import load_edit, record_of, save_edit
from unlearn.index.codes import CODES, write_codes
from unlearn.index.search import ImageIndex
from unlearn.index.store import Appender, Header, Store

COUNT = 120


@pytest.fixture(scope="module", params=["ccup", "cliperase", "stacked"])
def edit(request, toy, toy_vocabulary, tmp_path_factory) -> bytes:
    """A file of each kind."""
    selection = select("frog", vocabulary=toy_vocabulary)
    low_rank = ccup.erase(toy, selection, vocabulary=toy_vocabulary)
    weights = {"visual.proj": toy.model.visual.proj.detach() * 0.9}
    tuned = Erasure("cliperase", selection, CLIPEraseSettings(steps=2), weights)
    kinds = {"ccup": low_rank, "cliperase": tuned, "stacked": Stacked(tuned, low_rank)}
    path = tmp_path_factory.mktemp("edit") / "edit.safetensors"
    erasure = kinds[request.param]
    save_edit(path, erasure, record_of(toy, erasure, metrics={"after": {"top1": [0.5, None]}}, seed=3))
    return path.read_bytes()


def refused(what: str, read: Callable[[], None]) -> str:
    """The sentence that ``read`` ends in, "" if it succeeds; any other exception fails the test."""
    try:
        read()
    except UnlearnError as error:
        return str(error)
    except Exception as error:
        raise AssertionError(what) from error
    return ""


def test_a_mutated_edit_is_opened_or_refused(edit: bytes, toy, tmp_path: Path):
    path, image = tmp_path / "edit.safetensors", Image.new("RGB", (32, 32), "red")

    def read() -> None:
        erasure, record = load_edit(path, toy)
        edited = erasure.apply(toy)
        rows = torch.cat([edited.encode_image([image]), edited.encode_text(["a frog", "a whale"])])
        assert torch.isfinite(rows).all()
        assert record.dumps().encode()

    sentences = []
    for what, content in mutated_edits(edit, seed=0, count=COUNT):
        path.write_bytes(content)
        sentences.append(refused(what, read))
    assert 0 < sentences.count("") < COUNT / 2, "mutations that all are let in, or none, test nothing"
    assert len({sentence[:60] for sentence in sentences}) > 5, "they are refused for one reason only"
    assert max(map(len, sentences)) < 600
    assert "".join(sentences).encode()


@pytest.fixture(scope="module")
def index(toy, tmp_path_factory) -> Path:
    """An index with codes, as wide as the toy's embeddings; its pictures are nowhere."""
    generator = torch.Generator().manual_seed(0)
    rows = F.normalize(torch.randn(300, toy.embed_dim, generator=generator), dim=1)
    header = Header(model="toy", sha256=toy.sha256, embed_dim=toy.embed_dim, images="/nowhere")
    store = Store.create(tmp_path_factory.mktemp("index") / "index", header)
    with Appender(store) as appender:
        appender.add(rows, [f"{i}.png" for i in range(300)], {"torn.png": "is not a picture"})
    write_codes(Store.open(store.folder), exact_up_to=100)
    assert (store.folder / CODES).is_file()
    return store.folder


def test_a_mutated_index_is_searched_or_refused(index: Path, toy, toy_vocabulary, tmp_path: Path):
    edited = ccup.erase(toy, select("frog", vocabulary=toy_vocabulary), vocabulary=toy_vocabulary).apply(toy)

    def search(folder: Path) -> None:
        found = ImageIndex.open(folder)
        for encoder in (toy, edited):
            for hit in found.find(encoder, "a whale", TEMPLATES):
                assert -1 <= hit.score <= 1.001
                location = found.store.location(hit.index)
                assert location.is_relative_to(found.store.header.images)
                assert ".." not in location.relative_to(found.store.header.images).parts

    sentences = [
        refused(what, partial(search, folder)) for what, folder in mutated_indexes(index, tmp_path, seed=0, count=COUNT)
    ]
    assert 0 < sentences.count("") < COUNT * 0.9
    assert max(map(len, sentences)) < 600


def test_the_same_seed_gives_the_same_files(edit: bytes):
    once, again = (dict(mutated_edits(edit, seed=5, count=20)) for _ in range(2))
    assert once == again
    assert len(set(once.values())) > 10
