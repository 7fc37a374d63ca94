"""Mutations of files, as by damage or an attacker: seeded, so that failures can be reproduced.

Bytes are flipped, cut and added; headers, records and lists get values of other types, sizes and depths; numbers become
NaN, infinite or extreme. A reader of a mutated file may succeed or raise an :class:`unlearn.errors.UnlearnError`.
"""

from __future__ import annotations

import json
import random
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from unlearn.index.codes import CODES
from unlearn.index.store import EMBEDDINGS, HEADER, IMAGES

#: Replacement values, each in JSON's notation.
VALUES = (
    "null", "true", "0", "-1", "1", "7.5", "1e308", "-1e308", "1e999", "NaN", "-Infinity", "9" * 30, "9" * 5000, '""',
    '"x"', '"\\ud800"', '"\\u0000"', '"\\u202e"', '"' + "x" * 100_000 + '"', "[]", "[[]]", "{}", '{"a": 1, "a": 2}',
    "[" * 400 + "]" * 400, "[" * 100_000, '"../../../etc/passwd"', '"/etc/passwd"', '["cat", 7]', "[NaN]", "[1, 2]",
)  # fmt: skip
#: Special float32 values, as bytes.
FLOATS = tuple(struct.pack("<f", number) for number in (float("nan"), float("inf"), -3e38, 3e38, 1e30, 1e-45, 0.0))
MARK = "the value goes here"


def mutated_edits(edit: bytes, *, seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield ``count`` mutations of the safetensors file ``edit``, each with a word that names the mutation."""
    for number in range(count):
        chance = random.Random(f"edit {seed} {number}")  # noqa: S311
        kind, mutate = chance.choice(_EDIT)
        yield f"{kind}, {number} of seed {seed}", mutate(edit, chance)


def mutated_indexes(index: Path, out: Path, *, seed: int, count: int) -> Iterator[tuple[str, Path]]:
    """Yield ``count`` mutations of the folder ``index``, each with a word that names it, one at a time in ``out``."""
    for number in range(count):
        chance = random.Random(f"index {seed} {number}")  # noqa: S311
        kind, mutate = chance.choice(_INDEX)
        folder = out / str(number)
        shutil.copytree(index, folder)
        mutate(folder, chance)
        yield f"{kind}, {number} of seed {seed}", folder
        shutil.rmtree(folder)


def mutated_json(text: str, chance: random.Random) -> str:
    """Return ``text`` with one value, key or entry of it changed."""
    value = json.loads(text)
    places = list(_places(value))
    holder, key = chance.choice(places) if places else ([value], 0)
    what = chance.choice(("replace", "replace", "replace", "remove", "repeat", "add"))
    if what == "remove":
        del holder[key]
    elif what == "repeat" and isinstance(holder, list):
        holder.extend([holder[key]] * chance.choice((1, 100, 10_000)))
    elif what == "add" and isinstance(holder, dict):
        holder[chance.choice(("command", "", "__class__", "\ud800", "x" * 10_000))] = MARK
    else:
        holder[key] = MARK
    return json.dumps(value).replace(json.dumps(MARK), chance.choice(VALUES))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every dictionary and list in ``value`` with every key."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _flipped(data: bytes, chance: random.Random) -> bytes:
    """Flip some bits."""
    changed = bytearray(data or b"\0")
    for _ in range(chance.choice((1, 1, 4, 64))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _longer(data: bytes, chance: random.Random) -> bytes:
    return data + chance.randbytes(chance.choice((1, 4, 1000)))


def _extreme(data: bytes, chance: random.Random, start: int = 0) -> bytes:
    """Set some numbers, or all, to extreme values."""
    changed, places = bytearray(data), range(start, len(data) - 3, 4)
    if not places:
        return data
    number = chance.choice(FLOATS)
    for place in places if chance.random() < 0.5 else chance.choices(places, k=3):
        changed[place : place + 4] = number
    return bytes(changed)


Bytes = Callable[[bytes, random.Random], bytes]
ANY: tuple[tuple[str, Bytes], ...] = (("flipped bits", _flipped), ("cut off", _cut), ("longer", _longer))


def _parts(edit: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header of a safetensors file, and the bytes that follow."""
    (length,) = struct.unpack("<Q", edit[:8])
    return json.loads(edit[8 : 8 + length]), edit[8 + length :]


def _with_header(header: str, body: bytes, length: int | None = None) -> bytes:
    text = header.encode(errors="surrogatepass")
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def _header_length(edit: bytes, chance: random.Random) -> bytes:
    header, body = _parts(edit)
    length = chance.choice((0, 1, 2**31, 2**63, 2**64 - 1, len(edit), len(edit) - 8, chance.randrange(len(edit))))
    return _with_header(json.dumps(header), body, length)


def _header_entry(edit: bytes, chance: random.Random) -> bytes:
    header, body = _parts(edit)
    metadata = header.pop("__metadata__", {})
    changed = mutated_json(json.dumps(header), chance)
    beginning = f'{{"__metadata__": {json.dumps(metadata)}'
    return _with_header(f"{beginning}, {changed[1:]}" if len(changed) > 2 else f"{beginning}}}", body)


def _record(edit: bytes, chance: random.Random) -> bytes:
    header, body = _parts(edit)
    metadata = header["__metadata__"]
    key = chance.choice(sorted(metadata))
    metadata[key] = mutated_json(metadata[key], chance)
    return _with_header(json.dumps(header), body)


def _record_bytes(edit: bytes, chance: random.Random) -> bytes:
    header, body = _parts(edit)
    metadata = header["__metadata__"]
    key = chance.choice(sorted(metadata))
    metadata[key] = chance.choice(ANY[:2])[1](metadata[key].encode(), chance).decode(errors="replace")
    return _with_header(json.dumps(header), body)


def _numbers(edit: bytes, chance: random.Random) -> bytes:
    (length,) = struct.unpack("<Q", edit[:8])
    return _extreme(edit, chance, 8 + length)


_EDIT: tuple[tuple[str, Bytes], ...] = (
    *ANY,
    ("header's length", _header_length),
    ("header's entry", _header_entry),
    ("record", _record),
    ("record", _record),
    ("record", _record),
    ("record's bytes", _record_bytes),
    ("extreme numbers", _numbers),
)


def _in_file(name: str, mutate: Bytes) -> Callable[[Path, random.Random], None]:
    def change(folder: Path, chance: random.Random) -> None:
        path = folder / name
        if path.is_file():
            path.write_bytes(mutate(path.read_bytes(), chance))

    return change


def _json_file(data: bytes, chance: random.Random) -> bytes:
    return mutated_json(data.decode(), chance).encode(errors="surrogatepass")


def _json_line(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines(keepends=True)
    place = chance.randrange(len(lines))
    lines[place] = _json_file(lines[place], chance) + b"\n"
    return b"".join(lines)


def _missing(folder: Path, chance: random.Random) -> None:
    chance.choice(sorted(folder.iterdir())).unlink()


def _folder_for_file(folder: Path, chance: random.Random) -> None:
    path = chance.choice(sorted(folder.iterdir()))
    path.unlink()
    path.mkdir()


_INDEX: tuple[tuple[str, Callable[[Path, random.Random], None]], ...] = (
    *((f"{what} in {name}", _in_file(name, mutate)) for name in (HEADER, EMBEDDINGS, IMAGES) for what, mutate in ANY),
    *((f"{what} in {CODES}", _in_file(CODES, mutate)) for what, mutate in (*ANY, _EDIT[3], _EDIT[4], _EDIT[-1])),
    *[("value in the header", _in_file(HEADER, _json_file))] * 4,
    *[("value in a line", _in_file(IMAGES, _json_line))] * 4,
    *[("extreme rows", _in_file(EMBEDDINGS, _extreme))] * 3,
    ("file missing", _missing),
    ("folder for a file", _folder_for_file),
)
