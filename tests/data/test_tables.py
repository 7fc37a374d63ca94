"""Tables of images and WebDataset archives: the same pictures from each, what is missing told in a sentence."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from unlearn.data.tables import is_table
from unlearn.errors import ImageError
from unlearn.finetuning.sources import measuring_images, training_data

COLOURS = {"cat": "red", "hot_dog": "green"}


def content(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (24, 16), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Six pictures of two classes, by all kinds of tables and archives."""
    rows = [(f"{i}.png", *list(COLOURS.items())[i % 2]) for i in range(6)]
    for name, _, colour in rows:
        (tmp_path / name).write_bytes(content(colour))
    (tmp_path / "t.csv").write_text("file_name,label\n" + "".join(f"{name},{label}\n" for name, label, _ in rows))
    lines = [json.dumps({"image": name, "label": label, "caption": f"A {label}."}) for name, label, _ in rows]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "classnames.txt").write_text("\n".join(COLOURS))
    for shard in range(2):
        with tarfile.open(tmp_path / "shards" / f"{shard}.tar", "w") as archive:
            for number in range(3 * shard, 3 * shard + 3):
                for ending, data in (("png", content(rows[number][2])), ("cls", str(number % 2).encode())):
                    member = tarfile.TarInfo(f"{number:03}.{ending}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
    return tmp_path


def parquet(path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
    from pyarrow import parquet as pq

    table = pa.table({
        "image": [{"bytes": content(list(COLOURS.values())[i % 2]), "path": None} for i in range(6)],
        "label": [i % 2 for i in range(6)],
    })  # fmt: skip
    named = {"info": {"features": {"label": {"names": list(COLOURS), "_type": "ClassLabel"}}}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(named)}), path)


@pytest.mark.parametrize("source", ["t.csv", "t.jsonl", "t.parquet", "shards", "shards/0.tar", "shards/*.tar"])
def test_every_source_gives_the_same_images(files: Path, source: str):
    parquet(files / "t.parquet")
    gallery = measuring_images(str(files / source))
    assert len(gallery) == (3 if source == "shards/0.tar" else 6)
    assert gallery.concepts == ("cat", "hot dog")
    for image in gallery:
        assert image.load().getpixel((0, 0)) == Image.new(
            "RGB", (1, 1), COLOURS[image.concept.replace(" ", "_")]
        ).getpixel((0, 0))
    assert len(training_data(str(files / source), []).train) > 0


def test_captions_count_for_the_concepts_that_they_name(files: Path):
    (files / "c.csv").write_text("path,caption\n0.png,Two dogs play.\n1.png,A quiet street.\n2.png,\n")
    gallery = measuring_images(str(files / "c.csv"), ["dog"])
    assert [image.concept for image in gallery] == ["dog", "A quiet street."]
    assert "skipped 2.png: it has neither a label nor a caption" in gallery.notices


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "file_name\n0.png\n", "has the columns file_name. It needs images"),
        ("a.csv", "file_name,label\nmissing.png,cat\n", "No image of “a.csv” can be read: missing.png"),
        ("a.jsonl", "[1]\n", "each line must be a JSON object"),
        ("a.jsonl", "{", "cannot be read as a table"),
        ("a.parquet", "no", "cannot be read as a table"),
        ("a.tar", "no", "cannot be read as a table"),
        ("none*.tar", "", "There are no archives"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(files: Path, name: str, text: str, said: str):
    if "*" not in name:
        (files / name).write_text(text)
    assert is_table(str(files / name))
    with pytest.raises(ImageError, match=said.replace(".", r"\.")):
        measuring_images(str(files / name))
