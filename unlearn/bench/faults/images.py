"""Images damaged on purpose, and uploaded as visitors upload images."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator

from PIL import Image, ImageDraw

from unlearn.bench.faults.tally import FaultTally
from unlearn.bench.faults.target import Target, finite
from unlearn.bench.faults.wire import CallResult, Wire

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP")
LABELS = ["cat", "dog", "pizza"]
#: Side lengths claimed in a header.
SIDES = (0, 1, 255, 20_000, 65_535, 2**31 - 1)
Mutator = Callable[[bytes, random.Random], bytes]


def attack(target: Target, tally: FaultTally, n: int) -> None:
    """Classify ``n`` damaged images: the app returns labels for each, or refuses it with a sentence."""
    visitor = target.visitor()
    for name, content in damaged(n):
        result = visitor.call("zero_shot", LABELS, visitor.uploaded(name, content), [])
        tally.result(name, result, wrong=_false(result))
        target.look_at_log(tally, name)
    sound = _look(visitor, "sound.png", drawn("PNG"))
    if sound.state != "complete":
        tally.fault(f"afterwards a sound picture → {sound.state} {sound.value}")


def damaged(n: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield ``n`` damaged files with their names, which describe the damage."""
    chance = random.Random(seed)  # noqa: S311  not a secret
    sound = {kind: drawn(kind) for kind in FORMATS}
    for number in range(n):
        kind, mutate = FORMATS[number % len(FORMATS)], MUTATORS[number // len(FORMATS) % len(MUTATORS)]
        # The format's own suffix, or another format's.
        suffix = chance.choice((kind, kind, chance.choice(FORMATS))).lower()
        yield f"{number}-{mutate.__name__}-{kind.lower()}.{suffix}", mutate(sound[kind], chance)


def flipped(data: bytes, chance: random.Random) -> bytes:
    """Change a few random bytes."""
    return _scattered(data, chance, len(data))


def flipped_header(data: bytes, chance: random.Random) -> bytes:
    return _scattered(data, chance, 64)


def truncated(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def blanked(data: bytes, chance: random.Random) -> bytes:
    """Fill a range with zeros."""
    start = chance.randrange(len(data))
    length = chance.randrange(1, 400)
    return data[:start] + bytes(min(length, len(data) - start)) + data[start + length :]


def repeated(data: bytes, chance: random.Random) -> bytes:
    """Repeat a range many times."""
    start = chance.randrange(len(data))
    part = data[start : start + chance.randrange(1, 200)]
    return data[:start] + part * chance.randrange(2, 2000) + data[start:]


def sized(data: bytes, chance: random.Random) -> bytes:
    """Change the dimensions in the header, and for a PNG also its checksum."""
    width, height = chance.choice(SIDES), chance.choice(SIDES)
    if data.startswith(b"\x89PNG"):
        header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
        return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    if data.startswith(b"\xff\xd8") and (frame := data.find(b"\xff\xc0")) > 0:
        return data[: frame + 5] + struct.pack(">HH", height % 2**16, width % 2**16) + data[frame + 9 :]
    if data.startswith(b"GIF"):
        return data[:6] + struct.pack("<HH", width % 2**16, height % 2**16) + data[10:]
    if data.startswith(b"BM"):
        return data[:18] + struct.pack("<ii", width, -height) + data[26:]
    return data[:20] + struct.pack("<II", width, height) + data[28:]


def chimera(data: bytes, chance: random.Random) -> bytes:
    """Join the beginning of one format with the rest of another."""
    at = chance.randrange(8, 200)
    return data[:at] + drawn(chance.choice(FORMATS))[at:]


MUTATORS: tuple[Mutator, ...] = (flipped, flipped_header, truncated, blanked, repeated, sized, chimera)


def _scattered(data: bytes, chance: random.Random, within: int) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 33)):
        changed[chance.randrange(min(within, len(data)))] = chance.randrange(256)
    return bytes(changed)


def drawn(kind: str) -> bytes:
    """Return a small image encoded in this format."""
    image = Image.new("RGB", (64, 48), (230, 120, 30))
    ImageDraw.Draw(image).ellipse((10, 8, 50, 40), fill=(30, 60, 200))
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def _look(visitor: Wire, name: str, content: bytes) -> CallResult:
    return visitor.call("zero_shot", LABELS, visitor.uploaded(name, content), [])


def _false(result: CallResult) -> str:
    """Return an error in a complete response, or ""."""
    if result.state != "complete":
        return ""
    answer = result.value[0]
    shares = [sum(labels.values()) for labels in answer["probabilities"].values()]
    if answer["offered"] != len(LABELS) or not finite(answer) or any(abs(share - 1) > 0.01 for share in shares):
        return f"not the probabilities of {len(LABELS)} labels: {answer}"
    return ""
