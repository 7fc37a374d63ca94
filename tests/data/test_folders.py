"""Folders as systems, programs and people leave them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from unlearn.data.folders import images_under, read_classes, skipped_in_words
from unlearn.errors import ImageError


def put(root: Path, *names: str) -> None:
    """Small pictures, a class each folder."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), "red").save(path, "PNG")


def classes(root: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for concept, _ in read_classes(root).files:
        found[concept] = found.get(concept, 0) + 1
    return found


def test_a_folder_from_a_mac_or_a_notebook_has_the_classes_people_gave_it(tmp_path):
    put(tmp_path, "cat/1.png", "dog/1.png", "dog/2.jpe", ".ipynb_checkpoints/1-checkpoint.png", "__MACOSX/cat/1.png")
    put(tmp_path, "@eaDir/1.png", "cat/@eaDir/1.png", "cat/.thumbs/1.png", "cat/more/2.jfif")
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (tmp_path / "cat" / "._1.png").write_bytes(b"\0\5\x16\7")
    (tmp_path / "cat" / "notes.txt").write_text("no picture")
    assert classes(tmp_path) == {"cat": 2, "dog": 2}
    skipped = read_classes(tmp_path).skipped
    assert set(skipped) == {
        ".ipynb_checkpoints", "__MACOSX", "@eaDir", "cat/@eaDir", "cat/.thumbs", "cat/._1.png",
    }  # fmt: skip
    assert {path.name for path in images_under(tmp_path)} == {"1.png", "2.jpe", "2.jfif"}


def test_what_cannot_be_read_is_skipped_counted_and_listed_with_its_path(tmp_path):
    put(tmp_path, "cat/1.png", "dog/1.png", "dog/2.png")
    (tmp_path / "cat" / "2.png").touch()
    (tmp_path / "cat" / "3.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "cat" / "4.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    (tmp_path / "dog" / "2.png").write_bytes((tmp_path / "dog" / "2.png").read_bytes()[:40])
    read = read_classes(tmp_path)
    assert [concept for concept, _ in read.files] == ["cat", "dog"]
    assert list(read.skipped) == ["cat/2.png", "cat/3.jpg", "cat/4.heic", "dog/2.png"]
    assert "HEIC" in read.skipped["cat/4.heic"]
    lines = skipped_in_words(read.skipped)
    assert lines[0].startswith("skipped cat/2.png: “2.png” is empty")
    assert lines[-1] == "4 skipped."
    assert skipped_in_words(read.skipped, most=1)[1:] == ["… and 3 more", "4 skipped."]
    assert skipped_in_words({}) == []


def test_splits_are_refused_and_other_folders_of_folders_said(tmp_path):
    put(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/cat/1.png", "test/dog/1.png")
    with pytest.raises(ImageError, match="“test” in .* is a split of a data set and no class. Give it by itself"):
        read_classes(tmp_path)
    assert classes(tmp_path / "train") == {"cat": 1, "dog": 1}
    other = tmp_path / "other"
    put(other, "animals/cat/1.png", "animals/dog/1.png", "tools/1.png")
    (notice,) = read_classes(other).notices
    assert notice.startswith("“animals” holds folders of its own (“cat”, “dog”)")


def test_a_train_is_a_class_where_it_holds_images(tmp_path):
    put(tmp_path, "train/1.png", "bus/1.png")
    assert classes(tmp_path) == {"bus": 1, "train": 1}
    assert read_classes(tmp_path).notices == ()


@pytest.mark.parametrize("names", [("0", "1"), ("class_0", "class_1"), ("n01440764", "n02123045")])
def test_class_names_that_are_no_words_are_said(tmp_path, names):
    put(tmp_path, *(f"{name}/1.png" for name in names))
    (notice,) = read_classes(tmp_path).notices
    assert "are no words" in notice


def test_odd_names_are_classes_and_two_spellings_are_one(tmp_path):
    names = ["100% wool", "R&B (music)", "it's", "кот", "猫", "F16"]
    put(tmp_path, *(f"{name}/1.png" for name in names))
    assert set(classes(tmp_path)) == set(names)
    assert read_classes(tmp_path).notices == ()
    put(tmp_path / "case", "Cat/1.png", "cat/1.png", "DOG/1.png")
    assert classes(tmp_path / "case") == {"Cat": 2, "DOG": 1}
    assert read_classes(tmp_path / "case").notices == ("“Cat” and “cat” are read as one class.",)


def test_an_empty_class_is_said(tmp_path):
    put(tmp_path, "cat/1.png")
    (tmp_path / "bird").mkdir()
    assert read_classes(tmp_path).notices == ("No picture in “bird”: not offered as a label.",)


def test_a_folder_without_a_class_is_refused_with_what_is_wrong(tmp_path):
    put(tmp_path, "1.png")
    with pytest.raises(ImageError, match="those it has lie in no subfolder"):
        read_classes(tmp_path)
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").touch()
    with pytest.raises(ImageError, match="1 picture cannot be read"):
        read_classes(tmp_path)
