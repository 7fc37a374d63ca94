"""Decoding apart from the app: what a file does to its decoder stays there."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from unlearn import decoding
from unlearn.decoding import decode
from unlearn.errors import PictureError
from unlearn.pictures import open_picture


@pytest.fixture
def paths(tmp_path) -> list[str]:
    """Three pictures of different kinds and sizes."""
    noise = np.random.default_rng(0).integers(0, 255, (3, 40, 60, 3), dtype=np.uint8)
    for pixels, name in zip(noise, ("a.png", "b.jpg", "c.tiff"), strict=True):
        Image.fromarray(pixels).save(tmp_path / name)
    Image.new("RGBA", (900, 300), (0, 200, 0, 128)).save(tmp_path / "d.webp", lossless=True)
    return [str(tmp_path / name) for name in ("a.png", "b.jpg", "c.tiff", "d.webp")]


def test_pixels_are_those_of_decoding_in_place(paths):
    pictures = decode(paths, 512)
    for path, picture in zip(paths, pictures, strict=True):
        here = open_picture(path)
        here.thumbnail((512, 512))
        assert picture.tobytes() == here.tobytes()
    assert pictures[3].size == (512, 171)


def test_no_pictures_are_none():
    assert decode([], 512) == []


def test_the_sentence_of_a_file_that_is_no_picture_comes_through(paths, tmp_path):
    (tmp_path / "no.png").write_text("nothing")
    with pytest.raises(PictureError, match="“no.png” is not a picture"):
        decode([*paths, str(tmp_path / "no.png")], 512)


@pytest.mark.parametrize(
    "child",
    [
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "import os; os.abort()",
        "print('{\"size\": [1000000, 1000000]}', end='')",
        "from unlearn.decoding import limit; limit(); held = bytearray(3_000_000_000)",
        "from tempfile import *; from unlearn.decoding import limit; limit(); TemporaryFile().write(bytes(1_000_000))",
    ],
    ids=["segfault", "abort", "cut off", "memory", "disk"],
)
def test_a_decoder_that_dies_is_told_and_the_next_picture_is_read(paths, monkeypatch, child):
    monkeypatch.setattr(decoding, "CHILD", (sys.executable, "-c", child))
    with pytest.raises(PictureError, match="could not be decoded. Use PNG"):
        decode(paths, 512)
    monkeypatch.undo()
    assert len(decode(paths, 512)) == 4


def test_a_decoder_that_hangs_is_stopped(paths, monkeypatch):
    monkeypatch.setattr(decoding, "CHILD", (sys.executable, "-c", "while True: pass"))
    monkeypatch.setattr(decoding, "SECONDS", 0.5)
    with pytest.raises(PictureError, match="took more than"):
        decode(paths, 512)
