"""What gets past the border is what it should be, whoever wrote the file; all else ends in one error with a message."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import save_file

from unlearn.files.schemas import MOST_DEPTH, InnerPath, RefusedError, Schema, TensorFile, check, parse_json, read_bytes

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=20,
)


def is_portable(value: object) -> bool:
    """The slow reference: whether a value of Python is one that the border lets in."""
    if isinstance(value, dict):
        return all(map(is_portable, [*value.keys(), *value.values()]))
    if isinstance(value, list):
        return all(map(is_portable, value))
    if isinstance(value, str):
        return not any(0xD800 <= ord(letter) < 0xE000 for letter in value)
    if isinstance(value, int):
        return abs(value) < 2**63
    return not isinstance(value, float) or math.isfinite(value)


@given(values)
@example({"a": [1, 2.5, None, True, "ü"]})
@example("\ud800")
@example(float("nan"))
@example(2**63)
def test_json_comes_back_as_it_was_or_not_at_all(value):
    text = json.dumps(value)
    if is_portable(value):
        assert parse_json(text) == value
        assert parse_json(text.encode()) == value
    else:
        with pytest.raises(RefusedError):
            parse_json(text)


@given(st.binary(max_size=60) | st.text(st.characters(), max_size=60))
@example('{"a": 1, "a": 2}')
@example("1e999")
@example("-Infinity")
@example("[" * 100_000)
@example("9" * 5000)
@example(b"\xff")
def test_whatever_is_read_is_json_for_every_reader(text):
    try:
        value = parse_json(text)
    except RefusedError:
        return
    assert is_portable(value)
    assert json.loads(json.dumps(value, allow_nan=False)) == value


@pytest.mark.parametrize("depth", [MOST_DEPTH, MOST_DEPTH + 1, 400, 5000])
@pytest.mark.parametrize("form", ["list", "dictionary"])
def test_depth_is_bounded(depth, form):
    open_, close = ("[", "]") if form == "list" else ('{"a":', "}")
    text = open_ * depth + "1" + close * depth
    if depth <= MOST_DEPTH:
        parse_json(text)
    else:
        with pytest.raises(RefusedError, match="levels deep"):
            parse_json(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "one key twice"),
        ("x" * 101, "longer than 100"),
        ('{"a": NaN}', "not finite"),
        (b"\xc3", "not UTF-8"),
        ("", "not JSON"),
        ("[1]]", "not JSON"),
        (str(2**64), "64 bits"),
    ],
)
def test_what_is_wrong_is_said(text, said):
    with pytest.raises(RefusedError, match=said):
        parse_json(text, most_bytes=100)


def test_a_file_name_may_be_of_bytes_that_are_no_text():
    name = json.dumps(b"caf\xe9.png".decode(errors="surrogateescape"))
    assert parse_json(name, file_names=True) == "caf\udce9.png"
    with pytest.raises(RefusedError):
        parse_json(name)
    with pytest.raises(RefusedError):
        parse_json('"\\ud800"', file_names=True)


class Inner(Schema):
    path: InnerPath


@pytest.mark.parametrize("path", ["a", "a/b.png", "a b/ü.png", "caf\udce9.png", "..a/b..", "./a"])
def test_a_path_inside_is_let_in(path):
    assert check(Inner, {"path": path}).path == path


@pytest.mark.parametrize("path", ["", ".", "/", "/a", "..", "a/..", "a/../../b", "../a", "a\0", "x" * 5000, 7, None])
def test_a_path_that_leads_out_is_not(path):
    with pytest.raises(RefusedError, match="path"):
        check(Inner, {"path": path})


def test_a_file_is_read_up_to_a_length(tmp_path: Path):
    (tmp_path / "a").write_bytes(b"x" * 10)
    assert read_bytes(tmp_path / "a", most=10) == b"x" * 10
    for path, most in ((tmp_path / "a", 9), (tmp_path / "b", 9), (tmp_path, 9), (Path("/dev/zero"), 9)):
        with pytest.raises(RefusedError):
            read_bytes(path, most=most)


def header(entries: object, *, length: int | None = None, body: bytes = b"") -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def tensor(**changed: object) -> dict[str, object]:
    return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changed}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        header({}, length=2**63),
        header({}, length=-1 % 2**64),
        header([]),
        header(tensor()),
        header(tensor(), body=b"\0" * 7),
        header(tensor(), body=b"\0" * 9),
        header(tensor(shape=[2**62, 4]), body=b"\0" * 8),
        header(tensor(shape=[2**40, 0, 2**40]), body=b"\0" * 8),
        header(tensor(shape=[-2]), body=b"\0" * 8),
        header(tensor(shape=[2.0]), body=b"\0" * 8),
        header(tensor(shape=[1] * 9), body=b"\0" * 8),
        header(tensor(data_offsets=[8, 0]), body=b"\0" * 8),
        header(tensor(data_offsets=[0, 8, 8]), body=b"\0" * 8),
        header(tensor(dtype="F64", shape=[1]), body=b"\0" * 8),
        header(tensor(dtype="F99"), body=b"\0" * 8),
        header(tensor(more=1), body=b"\0" * 8),
        header(tensor() | {"__metadata__": {"a": 1}}, body=b"\0" * 8),
        header(tensor() | {"__metadata__": []}, body=b"\0" * 8),
        header(tensor(), body=struct.pack("<ff", 1, math.nan)),
        header(tensor(), body=struct.pack("<ff", 1, -math.inf)),
        header({f"{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(10_001)}),
    ],
)
def test_tensors_are_those_that_the_header_declares(content: bytes, tmp_path: Path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(RefusedError):
        TensorFile.open(tmp_path / "file").load()


def test_a_good_file_is_read(tmp_path: Path):
    tensors = {"a": torch.ones(2, 3), "b": torch.zeros(0, 4)}
    save_file(tensors, tmp_path / "file", {"key": "text"})
    file = TensorFile.open(tmp_path / "file")
    assert (file.metadata, file.shapes) == ({"key": "text"}, {"a": (2, 3), "b": (0, 4)})
    assert all(torch.equal(file.load()[name], tensor) for name, tensor in tensors.items())
