from __future__ import annotations

import io
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unlearn.errors import PictureError
from unlearn.pictures import open_picture


def encoded(image: Image.Image, fmt: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


RED = Image.new("RGB", (8, 6), "red")


@pytest.mark.parametrize(
    "data",
    [
        encoded(RED, "PNG"),
        encoded(RED.convert("CMYK"), "JPEG"),
        encoded(RED.convert("P"), "GIF", save_all=True, append_images=[Image.new("P", (8, 6))]),
        encoded(RED.convert("RGBA"), "WEBP", lossless=True),
        encoded(RED, "BMP"),
    ],
    ids=["png", "cmyk", "animated gif", "webp", "bmp"],
)
def test_every_kind_becomes_rgb(data):
    picture = open_picture(data)
    assert picture.mode == "RGB"
    assert picture.size == (8, 6)
    r, g, b = picture.getpixel((2, 2))
    assert r > 230
    assert max(g, b) < 30


def test_sixteen_bit_keeps_its_shades():
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    grey = np.asarray(open_picture(encoded(Image.fromarray(ramp), "PNG")).convert("L"))
    assert grey.min() == 0
    assert grey.max() == 255
    assert len(np.unique(grey)) > 200


def test_transparency_becomes_white():
    assert open_picture(encoded(Image.new("RGBA", (2, 2), (0, 0, 0, 0)), "PNG")).getpixel((0, 0)) == (255, 255, 255)


def test_one_pixel_is_a_picture():
    assert open_picture(encoded(Image.new("RGB", (1, 1), "blue"), "PNG")).size == (1, 1)


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_picture(encoded(RED, "JPEG", exif=exif)).size == (6, 8)


def test_a_text_file_named_png_is_refused(tmp_path):
    path = tmp_path / "cat.png"
    path.write_text("I am not a picture")
    with pytest.raises(PictureError, match="“cat.png” is not a picture.*Use PNG"):
        open_picture(path)


def test_a_truncated_jpeg_is_refused():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    with pytest.raises(PictureError, match="damaged or cut off"):
        open_picture(encoded(noise, "JPEG")[:900])


def test_a_gigantic_png_is_refused_before_it_is_decoded():
    # 20,000 × 20,000 of one bit compresses to a few kilobytes; decoded as RGB it would take 1.2 GB.
    data = encoded(Image.new("1", (20_000, 20_000)), "PNG", compress_level=1)
    with pytest.raises(PictureError, match="too many pixels. Use .* at most 40 megapixels"):
        open_picture(data)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(PictureError, match="not a file"):
        open_picture(tmp_path / "none.png")


def test_of_thousands_of_frames_the_first_is_read():
    frames = [Image.new("P", (4, 4), 3)] * 2000
    for fmt in ("GIF", "TIFF", "PNG"):
        data = encoded(Image.new("P", (4, 4), 7), fmt, save_all=True, append_images=frames)
        assert open_picture(data).size == (4, 4)


def test_a_profile_and_metadata_of_nonsense_do_no_harm():
    for fmt in ("PNG", "JPEG", "WEBP", "TIFF"):
        data = encoded(RED, fmt, icc_profile=b"\x00\xff" * 5000)
        assert open_picture(data).size == (8, 6)
    with pytest.raises(PictureError, match="not a picture|damaged"):
        open_picture(b"\x89PNG\r\n\x1a\n" + b"\xff" * 4000)


def test_formats_that_can_run_something_or_hide_another_are_refused():
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n"
    for data in (svg, postscript, b"%PDF-1.7\n", encoded(RED, "ICO"), encoded(RED, "PPM"), b""):
        with pytest.raises(PictureError, match="not a picture"):
            open_picture(data)


FILES = [encoded(RED, fmt) for fmt in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")]


@settings(max_examples=150, deadline=None)
@given(
    data=st.sampled_from(FILES),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.integers(0, 10_000),
)
@pytest.mark.filterwarnings("ignore")
def test_a_file_with_bytes_changed_is_a_picture_or_a_sentence(data, changes, cut):
    damaged = bytearray(data)
    for position, byte in changes:
        damaged[position % len(damaged)] = byte
    with suppress(PictureError):  # and nothing else
        assert open_picture(bytes(damaged[: len(damaged) - cut % 20])).mode == "RGB"


def test_a_large_jpeg_is_decoded_to_what_is_enough_and_looks_the_same():
    shades = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(shades).resize((1600, 1200)), "JPEG")
    whole, part = open_picture(data), open_picture(data, enough=224)
    assert 224 <= min(part.size) < min(whole.size)
    small = [np.asarray(picture.resize((112, 84)), dtype=float) for picture in (whole, part)]
    assert np.abs(small[0] - small[1]).mean() < 3
    assert open_picture(encoded(RED, "PNG"), enough=2).size == RED.size
