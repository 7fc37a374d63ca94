"""Turning a file that a stranger sent into an RGB picture, or into a sentence that says why not."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from unlearn.errors import PictureError

MAX_PIXELS = 40_000_000
MAX_BYTES = 20_000_000
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
#: Of a JPEG, best first; the last keeps even noise of 512 × 512 pixels below 160 kB.
QUALITIES = (90, 75, 50, 25, 10)
ALLOWED = f"Use {', '.join(FORMATS[:-1])} or {FORMATS[-1]} of at most {MAX_PIXELS // 1_000_000} megapixels"


def count_in_words(n: int) -> str:
    """ "1 picture", "2 pictures"."""
    return "1 picture" if n == 1 else f"{n:,} pictures"


def open_picture(source: str | Path | bytes | Image.Image, *, name: str = "", enough: int | None = None) -> Image.Image:
    """Decode a picture to upright RGB: first frame of an animation, transparency on white, 16 bit scaled to 8.

    Args:
        source: a path, the file's bytes, or a decoded picture.
        name: what to call it in a message; a path's own name by default.
        enough: shortest side that is needed, in pixels; a larger JPEG is decoded to a fraction of its size, in a
            fraction of the time.

    Raises:
        PictureError: not a picture, damaged, too many pixels or bytes.
    """
    if isinstance(source, Image.Image):
        return _to_rgb(source)
    if isinstance(source, str | Path):
        path = Path(source)
        name = name or path.name
        if not path.is_file():
            raise PictureError(f"“{name}” is not a file.")
        if path.stat().st_size > MAX_BYTES:
            raise PictureError(f"“{name}” is larger than {MAX_BYTES // 1_000_000} MB. {ALLOWED}.")
        source = path.read_bytes()
    name = name or "the upload"
    try:
        with warnings.catch_warnings():
            # Our own limit below speaks to the visitor; Pillow's warning would only reach the log.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(source), formats=FORMATS) as picture:
                if picture.width * picture.height > MAX_PIXELS:
                    raise PictureError(f"“{name}” has {picture.width:,} × {picture.height:,} pixels. {ALLOWED}.")
                if enough is not None:
                    picture.draft(None, (enough, enough))
                return _to_rgb(picture)
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        raise PictureError(f"“{name}” is not a picture that can be read. {ALLOWED}.") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"“{name}” has too many pixels. {ALLOWED}.") from error
    # A malformed file makes Pillow's decoders raise almost anything, so anything here means "damaged".
    except Exception as error:
        raise PictureError(f"“{name}” is damaged or cut off: {ALLOWED[0].lower()}{ALLOWED[1:]}.") from error


def data_uri(picture: Image.Image, *, longest: int | None = None) -> str:
    """A picture to stand in a page by itself: without loss, or with sides of at most ``longest`` pixels."""
    buffer = io.BytesIO()
    if longest is None:
        picture.save(buffer, "PNG")
        kind = "png"
    else:
        small = picture.copy()
        small.thumbnail((longest, longest))
        small.save(buffer, "WEBP", quality=82)
        kind = "webp"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def compressed(picture: Image.Image, most: int) -> bytes:
    """An RGB picture as a JPEG: the best of :data:`QUALITIES` that takes at most ``most`` bytes, or the last."""
    for quality in QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, subsampling=0)
        if buffer.tell() <= most:
            break
    return buffer.getvalue()


def _to_rgb(picture: Image.Image) -> Image.Image:
    picture.seek(0)
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    if upright.mode.startswith("I") or upright.mode == "F":
        import numpy as np  # half of what starting a decoding process takes

        # 16-bit greyscale: convert("L") would clip everything above 255 to white.
        levels = np.asarray(upright, dtype=np.float32)
        upright = Image.fromarray((levels * (255.0 / max(float(levels.max()), 255.0))).clip(0).astype(np.uint8))
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        white = Image.new("RGBA", rgba.size, "white")
        return Image.alpha_composite(white, rgba).convert("RGB")
    return upright.convert("RGB")
