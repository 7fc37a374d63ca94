"""Decoding of image files of unknown origin to RGB, with a sentence as error message."""

from __future__ import annotations

import base64
import io
import math
import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import AvifImagePlugin, Image, ImageChops, UnidentifiedImageError, features

from unlearn.errors import ImageError

MAX_PIXELS = 40_000_000
MAX_BYTES = 20_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", *(("AVIF",) if features.check("avif") else ()))
#: Suffixes of files in a folder that count as images. They include formats that cannot be read, so that such files are
#: listed as skipped instead of being ignored silently.
SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("png", "apng", "jpg", "jpeg", "jpe", "jfif", "jfi", "webp", "gif", "bmp", "dib", "tif", "tiff", "avif"),
        *("heic", "heif", "jxl", "jp2"),
    )
)
#: JPEG qualities, best first; the last keeps even noise of 512 × 512 pixels below 160 kB.
QUALITIES = (90, 75, 50, 25, 10)
ALLOWED = f"Use {', '.join(FORMATS[:-1])} or {FORMATS[-1]} of at most {MAX_PIXELS // 1_000_000} megapixels"
#: Share of the rows of a truncated image that may be missing; rows are decoded from the top.
MOST_MISSING = 0.5
#: First bytes of common formats that cannot be read.
OTHER_FORMATS = {
    b"\xff\x0a": "JPEG XL",
    b"\x00\x00\x00\x0cJXL ": "JPEG XL",
    b"\x00\x00\x00\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"8BPS": "a Photoshop document",
    b"%PDF": "PDF",
    b"%!PS": "PostScript",
    b"<svg": "SVG",
    b"<?xml": "XML, perhaps SVG",
    b"<!DOC": "a web page",
    b"<html": "a web page",
    b"\x00\x00\x01\x00": "an icon (ICO)",
    b"version https://git-lfs": "a Git LFS pointer, in place of the file",
}
#: Brands of ISO media files, which follow the first eight bytes.
BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    b"crx ": "a raw photograph (CR3)",
}
#: PNG chunks that are needed for the first frame, and the chunk with the orientation. Other chunks are dropped, so that
#: megabytes of a drawing program's metadata or a damaged comment do not make an image unreadable.
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_CHUNKS = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf"))
START_OF_JPEG, END_OF_JPEG = b"\xff\xd8", b"\xff\xd9"
ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: Candidates for the value of white if samples do not have 8 or 16 bits: the lowest that the image does not exceed.
WHITES = {"F": (1.0, 255.0, 65_535.0), "I": (255, 65_535, 2**31 - 1)}
#: Raw modes of PNGs whose transparent colour Pillow does not scale, and the conversion of that colour to 8 bits.
SHADES: dict[str, Callable[[int], int]] = {
    "L;2": lambda value: value * 85,
    "L;4": lambda value: value * 17,
    "RGB;16B": lambda value: value >> 8,
}

# One thread per image: a decoder's memory and time are limited, and several images are decoded at once.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def count_in_words(n: int) -> str:
    """Return "1 picture" or "2 pictures"."""
    return "1 picture" if n == 1 else f"{n:,} pictures"


def open_image(
    source: str | Path | bytes | Image.Image,
    *,
    name: str = "",
    enough: int | None = None,
    longest: int | None = None,
) -> Image.Image:
    """Decode an image to upright RGB: first frame of an animation, transparency on white, 16 bits scaled to 8.

    A truncated image is accepted if most of it is present; the missing part is left blank.

    Args:
        source: a path, the content of a file, or a decoded image.
        name: name of the image in messages; by default the file name of a path.
        enough: shortest side that is needed, in pixels; a larger image is scaled down to it.
        longest: longest side that is allowed, in pixels; a larger image is scaled down to it. Both options save memory
            and, for a JPEG, decoding time.

    Raises:
        ImageError: the source is not an image, is damaged, or has too many pixels or bytes.
    """
    if isinstance(source, Image.Image):
        return _to_rgb(source, enough, longest)
    if isinstance(source, str | Path):
        name = name or Path(source).name
        source = _read(Path(source), name)
    name = name or "the upload"
    if not source:
        raise ImageError(f"“{name}” is empty, so not a picture that can be read. {ALLOWED}.")
    try:
        with warnings.catch_warnings():
            # Our own limit below has a message for the visitor; Pillow's warning would only be logged.
            warnings.filterwarnings("ignore", module=r"PIL\.")
            return _decode(source, name, enough, longest)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        kind = _other_format(source)
        why = f": {kind} is not supported here" if kind else ""
        raise ImageError(f"“{name}” is not a picture that can be read{why}. {ALLOWED}.") from error
    except Image.DecompressionBombError as error:
        raise ImageError(f"“{name}” has too many pixels. {ALLOWED}.") from error
    except MemoryError as error:
        raise ImageError(f"“{name}” takes more memory than there is for a picture. {ALLOWED}.") from error
    # Pillow's decoders can raise almost any error for a malformed file, so any error here means "damaged".
    except Exception as error:
        raise ImageError(
            f"“{name}” is damaged or cut off, or of a rare kind: {ALLOWED[0].lower()}{ALLOWED[1:]}."
        ) from error


def data_uri(image: Image.Image, *, longest: int | None = None) -> str:
    """Encode an image as a data URI: lossless, or scaled to sides of at most ``longest`` pixels."""
    buffer = io.BytesIO()
    if longest is None:
        kind = "png"
        image.save(buffer, kind)
    else:
        kind, small = "webp", image.copy()
        small.thumbnail((longest, longest))
        small.save(buffer, kind, quality=82)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def compressed(image: Image.Image, most: int) -> bytes:
    """Encode an RGB image as JPEG with the best of :data:`QUALITIES` that fits into ``most`` bytes, or the last one."""
    for quality in QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality, subsampling=0)
        if buffer.tell() <= most:
            break
    return buffer.getvalue()


def _read(path: Path, name: str) -> bytes:
    """Read the file at ``path``; raise unless it is a regular file of at most ``MAX_BYTES``."""
    if not path.is_file():
        raise ImageError(f"“{name}” is not a file.")
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ImageError(f"“{name}” is larger than {MAX_BYTES // 1_000_000} MB. {ALLOWED}.")
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"“{name}” cannot be read ({error.strerror or type(error).__name__}).") from error


def _decode(data: bytes, name: str, enough: int | None, longest: int | None) -> Image.Image:
    if data.startswith(PNG_SIGNATURE):
        data = b"".join(_png_parts(data))
    try:
        return _opened(data, name, enough, longest)
    except OSError as error:
        if not data.startswith(START_OF_JPEG) or "truncated" not in str(error):
            raise
        # libjpeg fills the missing part with grey once it finds an end marker.
        return _opened(data + END_OF_JPEG, name, enough, longest, cut_off=True)


def _png_parts(data: bytes) -> Iterator[bytes | memoryview]:
    """Iterate over the signature and the chunks in :data:`PNG_CHUNKS` of a PNG file, up to its end or truncation."""
    yield PNG_SIGNATURE
    view, at = memoryview(data), len(PNG_SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if kind in PNG_CHUNKS:
            yield view[at:end]
        at = end


def _opened(data: bytes, name: str, enough: int | None, longest: int | None, *, cut_off: bool = False) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ImageError(f"“{name}” has {image.width:,} × {image.height:,} pixels. {ALLOWED}.")
        if needed := enough or longest:
            image.draft(None, (needed, needed))
        _scale_transparent_colour(image)
        try:
            image.load()
        except OSError as error:
            if image.format == "JPEG" or "truncated" not in str(error):
                raise
            cut_off, image.tile = True, []  # keep the decoded part
        if cut_off and _missing(image) > MOST_MISSING:
            raise ImageError(f"“{name}” is damaged or cut off: more than half of it is missing. {ALLOWED}.")
        return _to_rgb(image, enough, longest)


def _missing(image: Image.Image) -> float:
    """Return the share of rows that were not decoded: rows that only have the colour of the last pixel."""
    narrow = image.convert("RGB").resize((min(image.width, 64), image.height), Image.Resampling.BOX)
    # A BMP is stored from the last row to the first.
    blank: Any = narrow.getpixel((0, 0) if image.format == "BMP" else (narrow.width - 1, narrow.height - 1))
    there = ImageChops.difference(narrow, Image.new("RGB", narrow.size, blank)).convert("L", matrix=(85, 85, 85, 0))
    return there.resize((1, image.height), Image.Resampling.BOX).histogram()[0] / image.height


def _scale_transparent_colour(image: Image.Image) -> None:
    colour, tiles = image.info.get("transparency"), getattr(image, "tile", ())
    scaled = SHADES.get(str(tiles[0][3])) if tiles and image.format == "PNG" else None
    if scaled and colour is not None:
        image.info["transparency"] = scaled(colour) if isinstance(colour, int) else tuple(map(scaled, colour))


def _to_rgb(opened: Image.Image, enough: int | None, longest: int | None) -> Image.Image:
    opened.seek(0)
    opened.load()
    turn = _turn(opened)
    image = _in_eight_bits(opened)
    if image.mode == "La":
        image = image.convert("LA")
    mode = "RGBA" if image.has_transparency_data else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    # Scale first, then rotate and remove transparency: each step copies the image.
    image = _brought_down(image, enough, longest)
    if turn is not None:
        image = image.transpose(turn)
    if mode == "RGB":
        return image.copy() if image is opened else image
    opaque = Image.new("RGB", image.size, "white")
    opaque.paste(image, mask=image)
    return opaque


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Return the transposition that makes ``image`` upright according to EXIF; other EXIF fields are ignored."""
    try:
        return UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
    except Exception:  # a malformed block can raise almost any error
        return None


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """Convert ``image`` to 8 bits per channel, without stretching its contrast: dark images stay dark."""
    if image.mode != "F" and not image.mode.startswith("I"):
        return image
    numbers = image if image.mode == "F" else image.convert("I")
    white = 65_535 if image.mode.startswith("I;16") else _white(numbers)
    grey = numbers.point(lambda value: value * (255 / white) + 0.5).convert("L")
    colour = image.info.get("transparency")
    if not isinstance(colour, int):
        return grey
    opacity = numbers.point([255 * (value != colour) for value in range(65_536)], "L")
    return Image.merge("LA", (grey, opacity))


def _white(numbers: Image.Image) -> float:
    brightest: Any = numbers.getextrema()[1]
    if math.isnan(brightest):  # the first pixel is NaN, which compares with nothing
        numbers = numbers.copy()
        numbers.putpixel((0, 0), 0)
        brightest = numbers.getextrema()[1]
    whites = WHITES[numbers.mode]
    return next((white for white in whites if brightest <= white), whites[-1])


def _brought_down(image: Image.Image, enough: int | None, longest: int | None) -> Image.Image:
    sides = (longest / max(image.size) if longest else 1.0, enough / min(image.size) if enough else 1.0)
    if min(sides) >= 1:
        return image
    size = [max(1, round(side * min(sides))) for side in image.size]
    return image.resize((size[0], size[1]), Image.Resampling.BICUBIC, reducing_gap=2.0)


def _other_format(data: bytes) -> str:
    """Return the name of the format of ``data`` if it is known but cannot be read, else ""."""
    if data[4:8] == b"ftyp":
        return BRANDS.get(data[8:12], "")
    return next((kind for start, kind in OTHER_FORMATS.items() if data[:64].lstrip().startswith(start)), "")
