"""An index is what encoding every picture gives, survives a kill, and ranks as the edit of every embedding does."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from unlearn.cli import main
from unlearn.clip.embeddings import NO_SIMILARITY, similarity, unit_or_zero
from unlearn.clip.projection import Projection
from unlearn.concepts.prompts import TEMPLATES
from unlearn.concepts.selection import select
from unlearn.data.images import open_image
from unlearn.erasers import ccup
from unlearn.erasers.closed_form import fit
from unlearn.erasers.settings import CCUPSettings
from unlearn.errors import ImageError, ModelError
from unlearn.index import search
from unlearn.index.build import build_index
from unlearn.index.codes import CODES, write_codes
from unlearn.index.search import ImageIndex, Query
from unlearn.index.store import EMBEDDINGS, IMAGES, Appender, Header, Store
from unlearn.progress import run_to_end


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures on two levels, two files that are none, and one that does not say it is one."""
    chance = random.Random(0)  # noqa: S311
    for number in range(12):
        path = tmp_path / "pictures" / ("a" if number % 2 else "b/c") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), tuple(chance.randbytes(3))).save(path)
    (tmp_path / "pictures" / "torn.png").write_bytes(path.read_bytes()[:40])
    (tmp_path / "pictures" / "a" / "text.jpg").write_text("no picture")
    (tmp_path / "pictures" / "notes.txt").write_text("not looked at")
    return tmp_path / "pictures"


def header():
    return Header(model="none", sha256="0" * 64, embed_dim=64, images="/pictures")


@pytest.fixture
def synthetic(tmp_path):
    """An index of 5,000 rows in 64 dimensions around 50 centres, and texts near the centres, (50, 64)."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(50, 64, generator=generator)
    rows = F.normalize(centres.repeat(100, 1) + 0.7 * torch.randn(5000, 64, generator=generator), dim=1)
    store = Store.create(tmp_path / "synthetic", header())
    with Appender(store) as appender:
        appender.add(rows, [f"{i}.png" for i in range(5000)])
    texts = F.normalize(centres + torch.randn(64, generator=generator), dim=1)
    return Store.open(store.folder), texts


def by_hand(rows: torch.Tensor, query: Query) -> torch.Tensor:
    """The slow reference: every embedding edited and brought to unit length, then compared."""
    edited = unit_or_zero(query.projection.on_images(rows)) if query.projection else rows
    return similarity(edited, query.text[None])[:, 0]


def test_rows_are_the_embeddings_of_the_images(folder, tmp_path, toy):
    store = run_to_end(build_index(folder, tmp_path / "index", toy, batch=5))
    assert sorted(store.paths) == sorted(str(p.relative_to(folder)) for p in folder.rglob("[0-9]*.png"))
    assert set(store.skipped) == {"torn.png", "a/text.jpg"}
    assert "not a picture" in store.skipped["torn.png"]
    one_by_one = torch.cat([toy.encode_image([open_image(store.image(row))]) for row in range(len(store))])
    torch.testing.assert_close(store.embeddings, one_by_one, atol=1e-5, rtol=0)


@pytest.mark.parametrize("batches", [0, 1, 2])
@pytest.mark.parametrize("torn", ["", "row", "line", "row and no line"])
def test_a_build_cut_off_anywhere_goes_on_to_the_same_index(folder, tmp_path, toy, batches, torn):
    whole = run_to_end(build_index(folder, tmp_path / "whole", toy, batch=5))
    out = tmp_path / "cut"
    build = build_index(folder, out, toy, batch=5)
    for _ in range(1 + batches):
        next(build)
    build.close()
    if torn.startswith("row"):
        with (out / EMBEDDINGS).open("ab") as file:
            file.write(b"\0" * (70 if torn == "row" else 128 * 3))
    elif torn and batches:
        data = (out / IMAGES).read_bytes()
        (out / IMAGES).write_bytes(data[:-5])
    encoded = []
    counting = _counting(toy, encoded)
    resumed = run_to_end(build_index(folder, out, counting, batch=5))
    assert (list(resumed.paths), resumed.skipped) == (list(whole.paths), whole.skipped)
    torch.testing.assert_close(resumed.embeddings, whole.embeddings, atol=1e-5, rtol=0)
    assert sum(encoded) <= 12 - min(12, 5 * batches) + 2 + (torn == "line"), "pictures were encoded a second time"


def _counting(encoder, encoded):
    class Counting:
        name, sha256, embed_dim = encoder.name, encoder.sha256, encoder.embed_dim

        def encode_image(self, images):
            encoded.append(len(images))
            return encoder.encode_image(images)

    return Counting()


def test_images_that_came_since_are_added(folder, tmp_path, toy):
    before = run_to_end(build_index(folder, tmp_path / "index", toy))
    Image.new("RGB", (8, 8), "red").save(folder / "a" / "0 new.png")
    after = run_to_end(build_index(folder, tmp_path / "index", toy))
    assert list(after.paths) == [*before.paths, "a/0 new.png"]
    assert torch.equal(after.embeddings[:-1], before.embeddings)


def most_resident(call) -> float:
    """The most memory of this process during ``call``, in MB."""
    status, refs = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not refs.exists():
        pytest.skip("this system does not say")
    refs.write_text("5")  # starts the count of the most again
    call()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1000


def test_a_line_takes_hardly_more_memory_than_a_photograph(tmp_path, pocket):
    sizes = {"photographs": (640, 480), "tall": (1, 4000), "wide": (40_000, 1), "longest": (20_000_000, 2)}
    most = {}
    for name, size in sizes.items():
        (tmp_path / name).mkdir()
        Image.new("RGB", size, "red").save(tmp_path / name / "image.png")
        most[name] = most_resident(
            lambda name=name: run_to_end(build_index(tmp_path / name, tmp_path / f"{name} index", pocket))
        )
        assert len(Store.open(tmp_path / f"{name} index")) == 1
    assert most["tall"] < most["photographs"] + 100
    assert most["wide"] < most["photographs"] + 100
    assert most["longest"] < most["photographs"] + 600, "of 40 megapixels, as many as an image may have"


def test_an_index_of_other_weights_or_images_is_not_mixed(folder, tmp_path, toy, pocket):
    run_to_end(build_index(folder, tmp_path / "index", toy))
    for images, encoder in ((folder, pocket), (folder / "a", toy)):
        with pytest.raises(ModelError, match="write this one to another folder"):
            run_to_end(build_index(images, tmp_path / "index", encoder))
    with pytest.raises(ModelError, match="would have to see them again"):
        ImageIndex.open(tmp_path / "index").find(pocket, "a cat", TEMPLATES)


@pytest.mark.parametrize("broken", [None, "no JSON", '{"format": 1}', '{"embed_dim": 0, "model": 1}', "[]"])
def test_what_is_no_index_is_told(tmp_path, broken):
    if broken is not None:
        (tmp_path / "index.json").write_text(broken)
    with pytest.raises(ImageError, match="not an index that can be read"):
        Store.open(tmp_path)


def test_damaged_codes_are_told(synthetic):
    store, _ = synthetic
    (store.folder / CODES).write_bytes(b"nothing")
    with pytest.raises(ImageError, match="is damaged; delete it"):
        ImageIndex.open(store.folder)


@pytest.mark.parametrize("side", ["image", "text", "both"])
@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_the_query_carries_the_edit_as_every_embedding_would(folder, tmp_path, toy, toy_vocabulary, side, strength):
    index = ImageIndex(run_to_end(build_index(folder, tmp_path / "index", toy)))
    selection = select(["apple", "frog"], vocabulary=toy_vocabulary)
    settings = CCUPSettings("consistent", strength, side=side)
    edited = ccup.erase(toy, selection, settings, vocabulary=toy_vocabulary).apply(toy)
    images = [open_image(index.store.image(row)) for row in range(len(index.store))]
    for text in ("apple", "a blue whale"):
        hits = index.find(edited, text, TEMPLATES, k=12)
        query = Query.of(edited, text, TEMPLATES)
        expected = similarity(edited.encode_image(images), query.text[None])[:, 0]
        if (expected == NO_SIMILARITY).all():
            assert not hits, "of a text that is all gone nothing is found"
            continue
        assert sorted(hit.index for hit in hits) == list(range(12))
        torch.testing.assert_close(torch.tensor([h.score for h in hits]), expected.sort(descending=True).values)


def test_without_strength_the_answer_is_the_unedited_one_to_the_bit(folder, tmp_path, toy, toy_vocabulary):
    index = ImageIndex(run_to_end(build_index(folder, tmp_path / "index", toy)))
    erasure = ccup.erase(toy, select("apple", vocabulary=toy_vocabulary), vocabulary=toy_vocabulary)
    assert index.find(erasure.at(0.0).apply(toy), "apple", TEMPLATES) == index.find(toy, "apple", TEMPLATES)
    assert index.find(erasure.apply(toy), "apple", TEMPLATES) != index.find(toy, "apple", TEMPLATES)


def test_scores_are_those_of_edited_rows_on_many(synthetic):
    store, texts = synthetic
    projection = fit(texts[:5].T).at(0.9)
    for query in (Query(texts[0], projection), Query(texts[9], projection), Query(texts[9])):
        torch.testing.assert_close(query.scores(store.embeddings), by_hand(store.embeddings, query), atol=1e-5, rtol=0)


def test_rows_and_texts_with_nothing_left_come_last():
    axes = torch.eye(8)
    projection = Projection(axes[:, :1], axes[:, :1])  # takes the first axis away
    rows = F.normalize(axes + 0.05 * axes.roll(1, 0), dim=1)
    scores = Query(axes[1], projection).scores(rows)
    assert scores[0] == NO_SIMILARITY
    assert (scores[1:] > NO_SIMILARITY).all()
    assert (Query(torch.zeros(8), projection).scores(rows) == NO_SIMILARITY).all()


def test_a_chunked_scan_is_one_scan(synthetic, monkeypatch):
    store, texts = synthetic
    index, query = ImageIndex(store), Query(texts[3], fit(texts[:2].T))
    at_once = by_hand(store.embeddings, query).topk(10)
    monkeypatch.setattr(search, "CHUNK", 17)
    found = index.search(query)
    assert [hit.index for hit in found] == at_once.indices.tolist()
    assert [hit.score for hit in found] == pytest.approx(at_once.values.tolist(), abs=1e-5)


@pytest.mark.parametrize("erased", [0, 3])
def test_codes_find_what_the_scan_finds(synthetic, monkeypatch, erased):
    store, texts = synthetic
    write_codes(store, exact_up_to=1000)
    index = ImageIndex.open(store.folder)
    monkeypatch.setattr(search, "CANDIDATES", 500)
    found = same = 0
    for text in texts:
        query = Query(text, fit(texts[:erased].T) if erased else None)
        quick, exact = index.search(query), index.search_all(query)
        same += len({hit.index for hit in quick} & {hit.index for hit in exact})
        found += len(exact)
        assert [h.score for h in quick] == sorted((h.score for h in quick), reverse=True)
    assert index.codes is not None
    assert same / found > 0.98


def test_codes_of_fewer_rows_are_not_used(synthetic):
    store, texts = synthetic
    write_codes(store, exact_up_to=1000)
    with Appender(store) as appender:
        appender.add(texts[:1], ["late.png"])
    index = ImageIndex.open(store.folder)
    assert index.codes is None
    assert index.search(Query(texts[0]), k=1)[0].index == 5000
    write_codes(index.store, exact_up_to=1000)
    assert ImageIndex.open(store.folder).codes.ntotal == 5001


def test_an_empty_index_finds_nothing(tmp_path):
    store = Store.create(tmp_path / "empty", header())
    assert ImageIndex(store).search(Query(torch.ones(64))) == []


def test_no_text_reaches_a_pickle(synthetic):
    store, _ = synthetic
    assert [json.loads(line)["path"] for line in (store.folder / IMAGES).read_text().splitlines()][:1] == ["0.png"]
    assert (store.folder / EMBEDDINGS).stat().st_size == 4 * 64 * 5000


def test_the_command_line_builds_and_searches_before_and_after(folder, tmp_path, gallery, capsys):
    for image in gallery.where(lambda p: p.concept in {"cat", "pizza"}):
        image.load().save(folder / f"{image.concept}.png")
    index, erased = str(tmp_path / "index"), str(tmp_path / "erased")
    assert main(["index", str(folder), "--out", index]) == 0
    printed, notices = capsys.readouterr()
    assert "14 images, 2 skipped" in printed
    assert "skipped torn.png: “torn.png” is not a picture" in notices
    assert main(["erase", "--forget", "cat", "--out", erased]) == 0
    capsys.readouterr()
    firsts = []
    for options in ([], ["--erasure", f"{erased}/edit.safetensors"]):
        assert main(["search", "--index", index, "--query", "cat", "-k", "3", *options]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 3
        firsts.append(lines[0].split("\t"))
    assert firsts[0][1].endswith("cat.png")
    assert float(firsts[1][0]) < float(firsts[0][0]) / 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["index", "no-such-folder", "--out", "x"], "is not a folder"),
        (["index", ".", "--out", "x"], "No pictures under"),
        (["search", "--index", "nowhere", "--query", "cat"], "is not an index"),
        (["search", "--index", "nowhere", "--query", "cat", "-k", "0"], "k is 0"),
    ],
)
def test_bad_arguments_end_in_a_sentence(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert said in capsys.readouterr().err
