"""What stands in an index is checked: it names no file elsewhere, and a damaged row or list misleads nobody."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from unlearn.concepts.prompts import TEMPLATES
from unlearn.errors import ImageError
from unlearn.index.build import build_index
from unlearn.index.codes import CODES, write_codes
from unlearn.index.search import ImageIndex, Query
from unlearn.index.store import EMBEDDINGS, HEADER, IMAGES, Appender, Header, Store
from unlearn.progress import run_to_end

ROWS, WIDTH = 200, 32


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An index of random rows, with codes; of pictures that do not exist."""
    rows = F.normalize(torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(0)), dim=1)
    header = Header(model="toy", sha256="0" * 64, embed_dim=WIDTH, images=str(tmp_path / "pictures"))
    store = Store.create(tmp_path / "index", header)
    with Appender(store) as appender:
        appender.add(rows, [f"{i}.png" for i in range(ROWS)])
    write_codes(Store.open(store.folder), exact_up_to=100)
    return store.folder


def rewrite(path: Path, **changed: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"embed_dim": 0}, "embed_dim"),
        ({"embed_dim": -32}, "embed_dim"),
        ({"embed_dim": 10**30}, "64 bits"),
        ({"embed_dim": 10**9}, "embed_dim"),
        ({"embed_dim": 32.0}, "embed_dim"),
        ({"embed_dim": True}, "embed_dim"),
        ({"embed_dim": "32"}, "embed_dim"),
        ({"sha256": "x"}, "sha256"),
        ({"model": ["toy"]}, "model"),
        ({"model": "x" * 2000}, "model"),
        ({"images": None}, "images"),
        ({"format": 2}, "format"),
        ({"command": "rm"}, "command"),
    ],
)
def test_a_header_is_what_it_should_be(folder: Path, changed: dict[str, object], said: str):
    rewrite(folder / HEADER, **changed)
    with pytest.raises(ImageError, match=f"not an index that can be read.*{said}"):
        ImageIndex.open(folder)


@pytest.mark.parametrize(
    "line",
    [
        '{"path": "/etc/passwd"}',
        '{"path": "../secret.png"}',
        '{"path": "a/../../secret.png"}',
        '{"path": ""}',
        '{"path": "a\\u0000b"}',
        '{"path": 7}',
        '{"path": ["a"]}',
        '{"path": "a", "path": "b"}',
        '{"path": "a", "error": 7}',
        '{"path": "a", "more": 1}',
        '{"path": "\\ud800"}',
        "[]",
        "7",
        "",
        "[" * 5000,
        '{"path": "' + "x" * 200_000 + '"}',
    ],
)
def test_a_line_is_what_it_should_be(folder: Path, line: str):
    (folder / IMAGES).write_text(line + "\n")
    with pytest.raises(ImageError, match="not an index that can be read"):
        ImageIndex.open(folder)


def test_a_name_that_is_no_text_is_a_name(folder: Path):
    (folder / IMAGES).write_text('{"path": "caf\\udce9.png"}\n')
    assert list(Store.open(folder).paths) == ["caf\udce9.png"]


@pytest.mark.parametrize("name", [HEADER, EMBEDDINGS, IMAGES])
@pytest.mark.parametrize("kind", ["missing", "folder", "device"])
def test_a_part_that_is_no_file_is_told(folder: Path, name: str, kind: str):
    (folder / name).unlink()
    if kind == "folder":
        (folder / name).mkdir()
    elif kind == "device":
        (folder / name).symlink_to("/dev/zero")
    with pytest.raises(ImageError, match="not an index that can be read"):
        ImageIndex.open(folder)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 3e38, -3e38])
@pytest.mark.parametrize("by_codes", [True, False])
def test_a_damaged_row_comes_last(folder: Path, value: float, by_codes: bool):
    index = ImageIndex.open(folder)
    rows = index.store.embeddings.clone()
    query, best = Query(rows[7].clone()), 7
    damaged = rows.clone()
    damaged[[3, 150]] = value
    (folder / EMBEDDINGS).write_bytes(damaged.numpy().tobytes())
    again = ImageIndex.open(folder)
    hits = again.search(query, k=ROWS) if by_codes else again.search_all(query, k=ROWS)
    assert hits[0].index == best
    assert {hit.index for hit in hits[-2:]} == {3, 150}
    assert all(math.isfinite(hit.score) for hit in hits)


def test_rows_narrower_than_the_embeddings_are_told(toy, folder: Path):
    rewrite(folder / HEADER, sha256=toy.sha256, embed_dim=WIDTH // 2)
    (folder / CODES).unlink()
    with pytest.raises(ImageError, match="a row has 16 numbers, and “toy” makes 32"):
        ImageIndex.open(folder).find(toy, "a frog", TEMPLATES)


def test_codes_of_other_embeddings_are_told(folder: Path):
    tensors = load_file(folder / CODES)
    for changed in (
        {"codes": tensors["codes"][:-1]},
        {"centroids": tensors["centroids"][:-2]},
        {"codes": tensors["codes"].float()},
        {"centroids": torch.full_like(tensors["centroids"], math.nan)},
        {"more": torch.ones(1)},
    ):
        save_file(tensors | changed, folder / CODES, {"rows": str(ROWS)})
        with pytest.raises(ImageError, match="is damaged; delete it"):
            ImageIndex.open(folder)
    save_file(tensors, folder / CODES, {"rows": str(ROWS + 1)})
    assert ImageIndex.open(folder).codes is None, "codes of more or fewer rows are left alone"


def test_codes_put_first_what_they_did_before_they_were_written(folder: Path):
    index = ImageIndex.open(folder)
    assert index.codes is not None
    rows = index.store.embeddings
    assert all(index.codes.search(rows[i : i + 1].numpy(), 5)[1][0][0] == i for i in range(0, ROWS, 20))


def test_ids_that_no_row_has_are_left_out(folder: Path):
    class Codes:
        def search(self, query, k):
            import numpy as np

            return np.zeros((1, 4)), np.array([[7, -1, ROWS, 10**9]])

    index = ImageIndex(Store.open(folder), Codes())
    assert [hit.index for hit in index.search(Query(index.store.embeddings[7].clone()))] == [7]


def test_a_link_out_of_the_folder_is_not_followed(toy, tmp_path: Path):
    images, secret = tmp_path / "pictures", tmp_path / "secret.png"
    images.mkdir()
    Image.new("RGB", (8, 8), "red").save(secret)
    Image.new("RGB", (8, 8), "blue").save(images / "own.png")
    (images / "out.png").symlink_to(secret)
    (images / "in.png").symlink_to(images / "own.png")
    (images / "circle.png").symlink_to(images / "circle.png")
    store = run_to_end(build_index(images, tmp_path / "index", toy))
    assert sorted(store.paths) == ["in.png", "own.png"]
    assert "leads out of the folder" in store.skipped["out.png"]
    row = list(store.paths).index("own.png")
    (images / "own.png").unlink()
    (images / "own.png").symlink_to(secret)
    with pytest.raises(ImageError, match="leads out of the folder"):
        store.image(row)
