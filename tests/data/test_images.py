from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from unlearn.data.images import FORMATS, open_image
from unlearn.errors import ImageError


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
    image = open_image(data)
    assert image.mode == "RGB"
    assert image.size == (8, 6)
    r, g, b = image.getpixel((2, 2))
    assert r > 230
    assert max(g, b) < 30


def test_sixteen_bit_keeps_its_shades():
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    grey = np.asarray(open_image(encoded(Image.fromarray(ramp), "PNG")).convert("L"))
    assert grey.min() == 0
    assert grey.max() == 255
    assert len(np.unique(grey)) > 200


def test_transparency_becomes_white():
    assert open_image(encoded(Image.new("RGBA", (2, 2), (0, 0, 0, 0)), "PNG")).getpixel((0, 0)) == (255, 255, 255)


def test_one_pixel_is_a_image():
    assert open_image(encoded(Image.new("RGB", (1, 1), "blue"), "PNG")).size == (1, 1)


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_image(encoded(RED, "JPEG", exif=exif)).size == (6, 8)


def test_a_text_file_named_png_is_refused(tmp_path):
    path = tmp_path / "cat.png"
    path.write_text("I am not a picture")
    with pytest.raises(ImageError, match="“cat.png” is not a picture.*Use PNG"):
        open_image(path)


def test_a_truncated_jpeg_is_refused():
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    with pytest.raises(ImageError, match="damaged or cut off"):
        open_image(encoded(noise, "JPEG")[:900])


def test_a_gigantic_png_is_refused_before_it_is_decoded():
    # 20,000 × 20,000 of one bit compresses to a few kilobytes; decoded as RGB it would take 1.2 GB.
    data = encoded(Image.new("1", (20_000, 20_000)), "PNG", compress_level=1)
    with pytest.raises(ImageError, match="too many pixels. Use .* at most 40 megapixels"):
        open_image(data)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ImageError, match="not a file"):
        open_image(tmp_path / "none.png")


def test_of_thousands_of_frames_the_first_is_read():
    frames = [Image.new("P", (4, 4), 3)] * 2000
    for fmt in ("GIF", "TIFF", "PNG"):
        data = encoded(Image.new("P", (4, 4), 7), fmt, save_all=True, append_images=frames)
        assert open_image(data).size == (4, 4)


def test_a_profile_and_metadata_of_nonsense_do_no_harm():
    for fmt in ("PNG", "JPEG", "WEBP", "TIFF"):
        data = encoded(RED, fmt, icc_profile=b"\x00\xff" * 5000)
        assert open_image(data).size == (8, 6)
    with pytest.raises(ImageError, match="not a picture|damaged"):
        open_image(b"\x89PNG\r\n\x1a\n" + b"\xff" * 4000)


def test_formats_that_can_run_something_or_hide_another_are_refused():
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n"
    for data in (svg, postscript, b"%PDF-1.7\n", encoded(RED, "ICO"), encoded(RED, "PPM"), b""):
        with pytest.raises(ImageError, match="not a picture"):
            open_image(data)


FILES = [encoded(RED, fmt) for fmt in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")]


@settings(max_examples=150, deadline=None)
@given(
    data=st.sampled_from(FILES),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.integers(0, 10_000),
)
@pytest.mark.filterwarnings("ignore")
def test_a_file_with_bytes_changed_is_a_image_or_a_sentence(data, changes, cut):
    damaged = bytearray(data)
    for position, byte in changes:
        damaged[position % len(damaged)] = byte
    with suppress(ImageError):  # and nothing else
        assert open_image(bytes(damaged[: len(damaged) - cut % 20])).mode == "RGB"


def test_a_large_jpeg_is_decoded_to_what_is_enough_and_looks_the_same():
    shades = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(shades).resize((1600, 1200)), "JPEG")
    whole, part = open_image(data), open_image(data, enough=224)
    assert 224 <= min(part.size) < min(whole.size)
    small = [np.asarray(image.resize((112, 84)), dtype=float) for image in (whole, part)]
    assert np.abs(small[0] - small[1]).mean() < 3


def test_a_image_is_brought_down_to_what_is_asked_for_and_never_up():
    image = encoded(Image.new("RGB", (90, 60), "red"), "PNG")
    assert open_image(image, enough=20).size == (30, 20)
    assert open_image(image, longest=30).size == (30, 20)
    assert open_image(image, enough=400).size == open_image(image, longest=400).size == (90, 60)
    assert open_image(encoded(Image.new("RGB", (1, 400)), "PNG"), longest=40).size == (1, 40)


def halves(mode: str = "RGB") -> Image.Image:
    """64 × 48, left half red, right half blue."""
    image = Image.new("RGB", (64, 48), (220, 30, 30))
    image.paste((30, 30, 220), (32, 0, 64, 48))
    return image.convert(mode)


def assert_halves(image: Image.Image, within: int = 3) -> None:
    assert image.size == (64, 48)
    for at, colour in ((8, (220, 30, 30)), (56, (30, 30, 220))):
        assert np.abs(np.subtract(image.getpixel((at, 24)), colour)).max() <= within


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_what_a_png_says_beside_its_pixels_does_not_matter():
    notes = PngImagePlugin.PngInfo()
    notes.add_text("workflow", "x" * 3_000_000, zip=True)
    assert_halves(open_image(encoded(halves(), "PNG", pnginfo=notes)))
    whole = encoded(halves(), "PNG")
    damaged = png_chunk(b"tEXt", b"a\0b")[:-1] + b"?"  # the sum is wrong
    assert_halves(open_image(whole[:33] + damaged + whole[33:]))


def test_a_resolution_of_no_kind_does_not_keep_a_image_from_being_turned():
    # Orientation 6, and XResolution as four bytes UNDEFINED.
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack("<HHI4s", 0x011A, 7, 4, b"\1\2\3\4")
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    assert open_image(encoded(halves(), "JPEG", exif=exif)).size == (48, 64)


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_once(fmt: str, orientation: int):
    if fmt not in FORMATS:
        pytest.skip("this Pillow reads no AVIF")
    exif = Image.Exif()
    exif[0x0112] = orientation
    corner = Image.new("RGB", (64, 48), "black")
    corner.paste("white", (0, 0, 32, 24))
    turned = open_image(encoded(corner, fmt, exif=exif))
    assert turned.size == ((64, 48) if orientation < 5 else (48, 64))
    white = {1: "tl", 2: "tr", 3: "br", 4: "bl", 5: "tl", 6: "tr", 7: "br", 8: "bl"}[orientation]
    at = (turned.width // 4 * (3 if "r" in white else 1), turned.height // 4 * (3 if "b" in white else 1))
    assert turned.getpixel(at)[0] > 200
    assert np.asarray(turned).mean() < 80


def test_a_jpeg_without_its_end_is_opened():
    for options in ({}, {"progressive": True}):
        data = encoded(halves(), "JPEG", **options)
        for cut in (1, 2, 3):
            assert_halves(open_image(data[:-cut]))


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(1, 255, (64, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "GIF", "BMP"])
def test_what_is_mostly_there_is_opened_and_what_is_mostly_missing_is_refused(fmt: str):
    data = encoded(noise(), fmt)
    assert open_image(data[: int(len(data) * 0.85)]).size == (64, 64)
    with pytest.raises(ImageError, match="damaged or cut off"):
        open_image(data[: int(len(data) * 0.3)])


def test_the_end_of_a_file_that_is_cut_off_is_blank_and_its_beginning_is_right():
    data = encoded(noise(), "PNG")
    part = np.asarray(open_image(data[: int(len(data) * 0.7)]))
    assert (part[:30] == np.asarray(noise())[:30]).all()
    assert not part[-5:].any()


@pytest.mark.parametrize("white", [1.0, 255.0, 65_535.0])
def test_floats_are_read_up_to_the_white_they_are_counted_to(white: float):
    levels = np.array([[0, 0.5, 1]], dtype=np.float32) * white
    assert np.asarray(open_image(encoded(Image.fromarray(levels), "TIFF")))[0, :, 0].tolist() == [0, 128, 255]
    odd = np.array([[np.nan, 0.5, -1, np.nan, 1]], dtype=np.float32) * white
    assert np.asarray(open_image(encoded(Image.fromarray(odd), "TIFF")))[0, 1:3, 0].tolist() == [128, 0]


@pytest.mark.parametrize("fmt", ["PNG", "TIFF"])
def test_a_dark_image_of_sixteen_bits_stays_dark_and_keeps_its_transparent_value(fmt: str):
    levels = Image.fromarray(np.array([[0, 5140, 20560]], dtype=np.uint16))
    assert np.asarray(open_image(encoded(levels, fmt)))[0, :, 0].tolist() == [0, 20, 80]
    if fmt == "PNG":
        seen = open_image(encoded(levels, fmt, transparency=5140))
        assert np.asarray(seen)[0, :, 0].tolist() == [0, 255, 80]


def test_the_transparent_colour_of_any_depth_is_white():
    rows = b"\0" + struct.pack(">6H", 65_535, 0, 0, 0, 0, 65_535)
    colour = struct.pack(">3H", 65_535, 0, 0)
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"tRNS", colour), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)
    assert np.asarray(open_image(data)).tolist() == [[[255, 255, 255], [0, 0, 255]]]
    two_bits = struct.pack(">IIBBBBB", 4, 1, 2, 0, 0, 0, 0)  # shades 0, 1, 2, 3; the second is transparent
    chunks = ((b"IHDR", two_bits), (b"tRNS", b"\0\1"), (b"IDAT", zlib.compress(b"\0\x1b")), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)
    assert np.asarray(open_image(data))[0, :, 0].tolist() == [0, 255, 170, 255]


@pytest.mark.parametrize(
    ("mode", "fmt"),
    [("1", "TIFF"), ("L", "PNG"), ("LA", "TIFF"), ("P", "PNG"), ("CMYK", "TIFF"), ("YCbCr", "TIFF"), ("LAB", "TIFF"),
     ("RGBA", "BMP"), ("RGBA", "TIFF"), ("I;16B", "TIFF"), ("RGBA", "GIF"), ("P", "WEBP")],
)  # fmt: skip
def test_every_mode_becomes_rgb(mode: str, fmt: str):
    if mode == "I;16B":
        image = Image.frombytes(mode, (64, 48), bytes((200, 0)) * 64 * 48)
    elif mode == "LAB":
        image = Image.merge("LAB", [Image.new("L", (64, 48), shade) for shade in (128, 0, 0)])
    else:
        image = halves().quantize(4) if mode == "P" else halves(mode)
    opened = open_image(encoded(image, fmt))
    assert opened.mode == "RGB"
    assert opened.size == (64, 48)
    if mode in {"CMYK", "RGBA", "P"} and fmt != "GIF":
        assert_halves(opened, within=6)


def test_the_first_frame_is_read_of_an_animation_of_several_kinds():
    others = [Image.new("RGB", (64, 48), "green")] * 2
    for fmt, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {}), ("MPO", {})):
        assert_halves(open_image(encoded(halves(), fmt, save_all=True, append_images=others, **options)))


def test_what_follows_a_image_in_its_file_does_not_matter():
    for fmt in ("PNG", "JPEG", "GIF", "BMP"):
        assert open_image(encoded(halves(), fmt) + b"trailing \xff\xd8\xff" * 50).size == (64, 48)


@pytest.mark.skipif("AVIF" not in FORMATS, reason="this Pillow reads no AVIF")
def test_avif_is_read(tmp_path: Path):
    path = tmp_path / "modern.jpg"
    path.write_bytes(encoded(halves(), "AVIF"))
    assert_halves(open_image(path), within=6)


@pytest.mark.parametrize(
    ("start", "named"),
    [(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"), (b"\xff\x0a\xff", "JPEG XL"), (b"8BPS\0\1", "Photoshop"),
     (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"), (b"<svg xmlns=''/>", "SVG"), (b"%PDF-1.7", "PDF"),
     (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"), (b"\0\0\0\x18ftypavif", "AVIF")],
)  # fmt: skip
def test_a_format_that_is_not_read_is_named(start: bytes, named: str):
    with pytest.raises(ImageError, match=f"not a picture that can be read: .*{named}.*Use PNG"):
        open_image(start + bytes(100))


def test_an_empty_file_and_one_that_may_not_be_read_are_said(tmp_path: Path):
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(ImageError, match="“empty.jpg” is empty"):
        open_image(tmp_path / "empty.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    with pytest.raises(ImageError, match="“gone.jpg” is not a file"):
        open_image(tmp_path / "gone.jpg")
