"""Edit files damaged on purpose, opened as a visitor opens one."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from unlearn.bench.faults.tally import Tally
from unlearn.bench.faults.target import Target, finite
from unlearn.bench.faults.wire import API, Result, Wire
from unlearn.errors import JobError
from unlearn.export.edit_file import METADATA

Mutator = Callable[[bytes, random.Random], bytes]
#: Put in the place of any part of the record, as JSON.
VALUES = (
    "null", "5", "-1", "1e999", "NaN", "Infinity", "-Infinity", '"\\ud800"', '"\\u0000"', '""', "[]", "{}", "true",
    '"x"', "[" * 400 + "]" * 400, '{"a":' * 400 + "1" + "}" * 400, "9" * 400, '"' + "a" * 50_000 + '"', '["cat"]',
    "[[1]]", "0", "1e308", '["\\ud800"]', '[{"name": "cat"}]', '"../../x"', "[1, null]",
)  # fmt: skip


def attack(target: Target, tally: Tally, n: int) -> None:
    """Open ``n`` damaged files: each is refused in a sentence, or what it does can be looked at."""
    visitor = target.visitor()
    sound = exported(visitor)
    for name, content in damaged(sound, n):
        result = visitor.call("import", visitor.uploaded(f"{name}.safetensors", content))
        tally.result(name, result, wrong=_false(visitor, result))
        target.look_at_log(tally, name)
    again = visitor.call("import", visitor.uploaded("sound.safetensors", sound))
    if again.state != "complete":
        tally.fault(f"afterwards the sound file → {again.state} {again.value}")


def exported(visitor: Wire) -> bytes:
    """The edit that erases “cat”, as the app makes it.

    Raises:
        JobError: it does not.
    """
    visitor.call("erase", ["cat"])
    made = visitor.call("export", "edit", "")
    if made.state != "complete":
        raise JobError(f"No edit was exported: {made.sentence}")
    return visitor.get(f"{API}/file={quote(made.value[0]['path'])}").body


def damaged(sound: bytes, n: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    chance = random.Random(seed)  # noqa: S311  not a secret
    for number in range(n):
        mutate = MUTATORS[number % len(MUTATORS)]
        yield f"{number}-{mutate.__name__}", mutate(sound, chance)


def flipped(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 17)):
        changed[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(changed)


def flipped_header(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 9)):
        changed[chance.randrange(_header_end(data))] = chance.randrange(256)
    return bytes(changed)


def truncated(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.choice((0, 4, 8, 9, _header_end(data), chance.randrange(len(data))))]


def lengthened(data: bytes, chance: random.Random) -> bytes:
    """The header claims another length of itself."""
    return struct.pack("<Q", chance.choice((0, 1, 2**31, 2**63, 2**64 - 1, chance.randrange(len(data))))) + data[8:]


def with_numbers(data: bytes, chance: random.Random) -> bytes:
    """Some weights, or all, are hostile."""
    number = struct.pack("<f", chance.choice((float("nan"), float("inf"), 3.4e38, -3.4e38, 1e20, 1e-45, 1e10)))
    start = _header_end(data)
    if chance.random() < 0.5:
        return data[:start] + number * ((len(data) - start) // 4)
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 50)):
        at = start + 4 * chance.randrange((len(data) - start) // 4)
        changed[at : at + 4] = number
    return bytes(changed)


def with_record(data: bytes, chance: random.Random) -> bytes:
    """One part of the record is of another kind, or missing."""
    header = json.loads(data[8 : _header_end(data)])
    record = json.loads(header["__metadata__"][METADATA])
    holder, key = chance.choice(list(_places(record)))
    text = json.dumps(record)
    if chance.random() < 0.15:
        del holder[key]
        text = json.dumps(record)
    else:
        holder[key] = "<here>"
        text = json.dumps(record).replace('"<here>"', chance.choice(VALUES))
    header["__metadata__"][METADATA] = text
    return _joined(header, data[_header_end(data) :])


def with_tensors(data: bytes, chance: random.Random) -> bytes:
    """Names, types, shapes and places of the tensors are others."""
    header = json.loads(data[8 : _header_end(data)])
    names = [name for name in header if name != "__metadata__"]
    name = chance.choice(names)
    what = chance.choice(("name", "dtype", "shape", "place", "gone", "twice", "metadata"))
    if what == "name":
        header[chance.choice(("", "x", "\ud800", "a" * 10_000, "visual.proj"))] = header.pop(name)
    elif what == "gone":
        del header[name]
    elif what == "twice":
        header["another"] = header[name]
    elif what == "metadata":
        header["__metadata__"] = chance.choice(
            ({}, {METADATA: ""}, {METADATA: 5}, {METADATA: "[]"}, {METADATA: "null"}, None)
        )
    else:
        choices: dict[str, tuple[Any, ...]] = {
            "dtype": ("F16", "F64", "I64", "BF16", "X", 5, None),
            "shape": ([], [0], [-1, 5], [2**40, 2**40], [1], ["a"], None, [1] * 100),
            "place": ([0, 0], [0, 2**63], [-1, 5], [8, 4], None, [0]),
        }
        key = "data_offsets" if what == "place" else what
        header[name][key] = chance.choice(choices[what])
    return _joined(header, data[_header_end(data) :])


#: The record is what can be wrong in most ways.
MUTATORS: tuple[Mutator, ...] = (
    flipped, flipped_header, with_record, truncated, with_record, lengthened, with_record, with_numbers, with_tensors,
    with_record,
)  # fmt: skip


def _header_end(data: bytes) -> int:
    return 8 + int(struct.unpack("<Q", data[:8])[0])


def _joined(header: dict[str, Any], rest: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + rest


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every part of ``value`` as what holds it, and under which key."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)


def _false(visitor: Wire, result: Result) -> str:
    """What is false about a file that was opened: what it does must be answered in numbers."""
    if result.state != "complete":
        return ""
    for name, data in (("retrieve", ("a cat",)), ("zero_shot", (["cat", "dog"],)), ("link", ())):
        seen = visitor.call(name, *data)
        if seen.state != "complete":
            # An edit may leave nothing to look at; that is said in a sentence.
            if "error" in seen.state and seen.sentence and name != "link":
                continue
            return f"opened, and then /{name}: {seen.state} {seen.value}"
        if not finite(seen.value) or (name == "zero_shot" and None in _leaves(seen.value)):
            return f"opened, and then /{name} answers in what is no number: {str(seen.value)[:300]}"
    return ""


def _leaves(value: Any) -> list[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return [value] if inner is None else [leaf for part in inner for leaf in _leaves(part)]
