from __future__ import annotations

import gc
import json
import weakref
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.loading import load_clip
from unlearn.concepts.prompts import VERBATIM
from unlearn.concepts.selection import select
from unlearn.data.gallery import (
    SHIPPED_FEATURES,
    Gallery,
    GalleryImage,
    bundled_gallery,
    folder_gallery,
    restore_features,
)
from unlearn.erasers import ccup
from unlearn.erasers.settings import CCUPSettings
from unlearn.errors import ImageError
from unlearn.evaluation.retrieval import evaluate_retrieval
from unlearn.finetuning.pairs import hold_out


def test_bundled_gallery_covers_the_vocabulary_with_licences(vocabulary):
    gallery = bundled_gallery()
    assert set(gallery.test.concepts) <= set(vocabulary.names)
    assert len(gallery.test.concepts) >= 300
    assert all(image.licence and image.source for image in gallery)
    assert sum(image.style == "photo" for image in gallery.test) >= 12
    assert not {p.style for p in gallery.train} & {p.style for p in gallery.test}, "the test style was trained on"


def test_shipped_embeddings_are_those_of_images_and_captions(pocket, gallery):
    chosen = [0, len(gallery) // 2, len(gallery) - 1]
    fresh = pocket.encode_image([gallery.images[i].load() for i in chosen])
    torch.testing.assert_close(pocket.image_features(gallery)[chosen], fresh, atol=1e-4, rtol=0)
    captions = [gallery.distinct_captions[i] for i in (0, -1)]
    shipped = pocket.text_features(captions, VERBATIM)
    torch.testing.assert_close(shipped, pocket.encode_text(captions), atol=1e-4, rtol=0)


def test_a_fresh_app_has_nothing_to_encode(gallery, vocabulary, monkeypatch):
    encoder = load_clip("pocket")
    assert restore_features(encoder)

    def refuse(*_: object) -> None:
        raise AssertionError("an embedding that ships was computed")

    monkeypatch.setattr(OpenClipEncoder, "encode_image", refuse)
    monkeypatch.setattr(OpenClipEncoder, "encode_text", refuse)
    encoder.text_features(vocabulary.names, vocabulary.templates)
    evaluate_retrieval(encoder, gallery)


def test_an_edit_encodes_no_image_again(words, vocabulary):
    loads = []

    def load() -> Image.Image:
        loads.append(1)
        return Image.new("RGB", (4, 4), "red")

    gallery = Gallery("test", (GalleryImage("cat", "a cat", load),))
    words.image_features(gallery)
    for strength in (0.2, 0.8):
        selection = select("cat", ["dog"], vocabulary=vocabulary)
        settings = CCUPSettings(strength=strength)
        ccup.erase(words, selection, settings, vocabulary=vocabulary).apply(words).image_features(gallery)
    assert len(loads) == 1


def test_no_number_of_visitors_images_displaces_the_gallerys_embeddings(words):
    loads = []

    def load() -> Image.Image:
        loads.append(1)
        return Image.new("RGB", (4, 4), "red")

    gallery = Gallery("shared", (GalleryImage("cat", "a cat", load),))
    words.image_features(gallery)
    own = [Gallery("picture", (GalleryImage("", "", lambda: Image.new("RGB", (4, 4))),)) for _ in range(100)]
    for image in own:
        words.image_features(image)
    words.image_features(gallery)
    assert len(loads) == 1


def test_a_visitors_images_go_with_the_visitor(words):
    own = Gallery("picture", (GalleryImage("", "", lambda: Image.new("RGB", (4, 4))),))
    words.image_features(own)
    images = weakref.ref(own.images[0])
    del own
    gc.collect()
    assert images() is None


def test_a_folder_is_read_as_one_subfolder_a_class(tmp_path):
    for name in ("polar_bear", "hot-dog"):
        (tmp_path / name / "more").mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name / "more" / "1.PNG")
        (tmp_path / name / "notes.txt").write_text("not a picture")
    gallery = folder_gallery(tmp_path)
    assert gallery.concepts == ("hot dog", "polar bear")
    assert [image.load().size for image in gallery] == [(4, 4), (4, 4)]
    assert gallery.targets(["Polar Bear"]).tolist() == [-1, 0]


def test_unusable_folders_are_refused(tmp_path):
    with pytest.raises(ImageError, match="not a folder"):
        folder_gallery(tmp_path / "none")
    with pytest.raises(ImageError, match="No pictures"):
        folder_gallery(tmp_path)


def test_damaged_features_are_told_and_nothing_of_them_is_used(pocket, tmp_path: Path):
    content = bytearray(SHIPPED_FEATURES.read_bytes())
    content[-4:] = b"\xff\xff\xff\xff"
    for spoilt in (bytes(content), bytes(content[:-100]), b"\0" * 100):
        (tmp_path / "features").write_bytes(spoilt)
        with pytest.raises(ImageError, match=r"is damaged.*Get it again, or delete it"):
            restore_features(pocket, tmp_path / "features")


@pytest.mark.parametrize(
    "lines",
    [
        b"[]",
        b"{}",
        b'{"file_name": "../../etc/passwd"}',
        b"\xff",
        json.dumps(
            dict.fromkeys(("concept", "caption", "style", "licence", "source", "author"), "x")
            | {"file_name": "gone.webp", "split": "test"}
        ).encode(),
    ],
)
def test_a_damaged_list_of_images_is_told(lines: bytes, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "gallery.zip", "w") as archive:
        archive.writestr("metadata.jsonl", lines)
    for path in (tmp_path / "gallery.zip", tmp_path / "none.zip", Path(__file__)):
        with pytest.raises(ImageError, match="damaged or was not fetched"):
            bundled_gallery(path)


def test_a_thin_line_is_cut_before_it_is_scaled_up(pocket):
    seen = []
    watched = replace(pocket, preprocess=lambda image: seen.append(image.size) or pocket.preprocess(image))
    line = Image.new("RGB", (1, 4000), "red")
    rows = watched.encode_image([line, line.transpose(Image.Transpose.ROTATE_90), Image.new("RGB", (160, 10), "blue")])
    assert seen == [(1, 16), (16, 1), (160, 10)]
    assert rows.isfinite().all()


def test_a_folders_notices_stay_with_it(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "1.png")
    (tmp_path / "cat" / "2.png").touch()
    read = folder_gallery(tmp_path)
    assert len(read) == 2
    assert read.notices[-1] == "1 skipped."
    assert hold_out(read).notices == read.notices
