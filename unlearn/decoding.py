"""A stranger's pictures, decoded in a process of their own: one that crashes, hangs or swells takes nothing along.

The process (this module, run by itself) writes raw pixels to its standard output, a line of JSON before each picture.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from unlearn.errors import PictureError
from unlearn.pictures import ALLOWED, open_picture

CHILD: Sequence[str] = (sys.executable, "-m", "unlearn.decoding")
MEMORY = 2_000_000_000
SECONDS = 30


def decode(paths: Sequence[str], longest: int) -> list[Image.Image]:
    """The pictures at ``paths`` as upright RGB, none of their sides longer than ``longest`` pixels.

    Raises:
        PictureError: one of them is no picture, is damaged, or takes too much to decode.
    """
    root = Path(__file__).resolve().parent.parent
    try:
        ended = subprocess.run(  # noqa: S603  our own module; the paths are files in gradio's cache
            [*CHILD, str(longest), *paths], cwd=root, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PictureError(f"Decoding took more than {SECONDS} seconds. {ALLOWED}.") from error
    pictures, rest = [], ended.stdout
    for path in paths:
        line, _, rest = rest.partition(b"\n")
        told = json.loads(line) if line else {}
        if "error" in told:
            raise PictureError(told["error"])
        width, height = told.get("size", (0, 0))
        pixels, rest = rest[: 3 * width * height], rest[3 * width * height :]
        if not pixels or len(pixels) < 3 * width * height:
            raise PictureError(f"“{Path(path).name}” could not be decoded. {ALLOWED}.")
        pictures.append(Image.frombytes("RGB", (width, height), pixels))
    return pictures


def limit() -> None:
    """No more memory, time on a processor, or files written than decoding needs; Windows knows no such limits."""
    if sys.platform == "win32":
        return
    import resource

    for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, SECONDS), (resource.RLIMIT_FSIZE, 0)):
        resource.setrlimit(what, (most, most))


def main(longest: str, *paths: str) -> None:
    """Write the pictures at ``paths``, up to the first that cannot be read."""
    limit()
    for path in paths:
        try:
            image = open_picture(path)
            image.thumbnail((int(longest), int(longest)))
        except PictureError as error:
            sys.stdout.buffer.write(json.dumps({"error": str(error)}).encode())
            return
        sys.stdout.buffer.write(json.dumps({"size": image.size}).encode() + b"\n" + image.tobytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
