"""The edit alone comes back as it was, and an untrusted file is refused in a sentence."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.concepts.selection import Selection, select
from unlearn.erasers import ccup
from unlearn.erasers.erasure import Erasure, Stacked
from unlearn.erasers.settings import CCUPSettings, CLIPEraseSettings
from unlearn.errors import ErasureFileError, InvalidInputError
from unlearn.export.edit_file import METADATA, load_edit, record_of, save_edit
from unlearn.export.record import Record


def record(encoder: OpenClipEncoder, erasure: Any) -> Record:
    return record_of(encoder, erasure, metrics={"after": {"top1": 0.5}}, seed=3)


@pytest.fixture(scope="module")
def low_rank(toy, toy_vocabulary) -> Erasure[CCUPSettings]:
    selection = select(["frog", "whale"], vocabulary=toy_vocabulary)
    return ccup.erase(toy, selection, CCUPSettings("consistent", 0.7, side="both"), vocabulary=toy_vocabulary)


@pytest.fixture(scope="module")
def delta(toy, toy_vocabulary) -> Erasure[CLIPEraseSettings]:
    weights = {"visual.proj": toy.model.visual.proj.detach() + 0.5}
    return Erasure("cliperase", select("frog", vocabulary=toy_vocabulary), CLIPEraseSettings(steps=2), weights)


def test_a_closed_form_comes_back_as_it_was(toy, low_rank, tmp_path):
    save_edit(tmp_path / "edit", low_rank, record(toy, low_rank))
    loaded, read = load_edit(tmp_path / "edit", toy)
    assert (loaded.selection, loaded.settings) == (low_rank.selection, low_rank.settings)
    assert torch.equal(loaded.projection.matrix, low_rank.projection.matrix)
    assert read == record(toy, low_rank)
    assert torch.equal(loaded.apply(toy).encode_text(["a frog"]), low_rank.apply(toy).encode_text(["a frog"]))


def test_fine_tuned_weights_come_back_as_they_were(toy, delta, tmp_path):
    save_edit(tmp_path / "edit", delta, record(toy, delta))
    loaded, _ = load_edit(tmp_path / "edit", toy)
    assert loaded.settings == delta.settings
    assert torch.equal(loaded.delta["visual.proj"], delta.delta["visual.proj"])


def _tensors(**changed: Any) -> Callable[[Path], None]:
    """Other tensors under the same record; None takes one away."""

    def write(path: Path) -> None:
        tensors = {key: t for key, t in {**load_file(path), **changed}.items() if t is not None}
        save_file(tensors, path, metadata=_metadata(path))

    return write


def _recorded(**changed: Any) -> Callable[[Path], None]:
    """The same tensors under another record."""

    def write(path: Path) -> None:
        text = json.dumps(json.loads(_metadata(path)[METADATA]) | changed)
        save_file(load_file(path), path, metadata={METADATA: text})

    return write


def _text(old: str, new: str) -> Callable[[Path], None]:
    """The same tensors under a record in whose text ``old`` is ``new``."""

    def write(path: Path) -> None:
        text = _metadata(path)[METADATA]
        assert text.count(old) == 1
        save_file(load_file(path), path, metadata={METADATA: text.replace(old, new)})

    return write


def _metadata(path: Path) -> dict[str, str]:
    raw = path.read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    return dict(json.loads(raw[8 : 8 + size])["__metadata__"])


def _declared(shape: list[int], length: int) -> Callable[[Path], None]:
    """A header that speaks of tensors which the file does not hold."""

    def write(path: Path) -> None:
        entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, length]}
        header = json.dumps({"__metadata__": _metadata(path), "left": entry, "right": entry}).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header)

    return write


class Command:
    """What a pickle may do when it is opened."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (Path.touch, (Path("the-pickle-was-opened"),))


def _entry(**changed: Any) -> dict[str, Any]:
    return {"forget": [{"name": "frog", "synonyms": [], "group": "", "subgroup": ""} | changed], "retain": ["whale"]}


HOSTILE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "not a safetensors file"),
    "text": (lambda path: path.write_text("hello"), "not a safetensors file"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps(Command())), "not a safetensors file"),
    "torch": (lambda path: torch.save({"left": Command()}, path), "not a safetensors file"),
    "cut off": (lambda path: path.write_bytes(path.read_bytes()[:-8]), "not a safetensors file"),
    "header of 2⁶⁰ bytes": (lambda path: path.write_bytes(struct.pack("<Q", 2**60) + b"{}"), "not a safetensors file"),
    "10 GB declared": (_declared([50_000, 50_000], 10**10), "not a safetensors file"),
    "no record": (lambda path: save_file(load_file(path), path), "no readable erasure.json"),
    "nested record": (
        lambda path: save_file(load_file(path), path, metadata={METADATA: "[" * 10**5}),
        "no readable erasure.json",
    ),
    "list as record": (
        lambda path: save_file(load_file(path), path, metadata={METADATA: "[]"}),
        "no readable erasure.json",
    ),
    "wrong keys": (_tensors(middle=torch.ones(32, 2)), "“left” and “right”"),
    "one key": (_tensors(right=None), "“left” and “right”"),
    "unequal": (_tensors(right=torch.ones(32, 7)), "of one shape"),
    "wrong d": (_tensors(left=torch.ones(16, 2), right=torch.ones(16, 2)), "embeds in 32 dimensions"),
    "a rank of thousands": (_tensors(left=torch.ones(32, 513), right=torch.ones(32, 513)), "embeds in 32 dimensions"),
    "flat": (_tensors(left=torch.ones(32), right=torch.ones(32)), "two matrices"),
    "NaN": (_tensors(left=torch.full((32, 2), torch.nan), right=torch.ones(32, 2)), "not finite"),
    "infinite": (_tensors(left=torch.full((32, 2), torch.inf), right=torch.ones(32, 2)), "not finite"),
    "integers": (_tensors(left=torch.ones(32, 2).int(), right=torch.ones(32, 2).int()), "must be F32"),
    "other base": (_recorded(sha256={"input": "0" * 64}), "made for other weights"),
    "unknown method": (_recorded(method="os.system"), "is not known"),
    "unknown setting": (_recorded(parameters={"command": "rm"}), "command: unexpected keyword"),
    "strength 7": (_recorded(parameters={"strength": 7}), "strength is 7"),
    "strength NaN": (_recorded(parameters={"strength": float("nan")}), "not finite"),
    "form as list": (_recorded(parameters={"form": ["consistent"]}), "form: input should be a valid string"),
    "strength as text": (_recorded(parameters={"strength": "1"}), "strength: input should be a valid number"),
    "synonyms as number": (_recorded(parameters={"synonyms": 1}), "synonyms: input should be a valid boolean"),
    "seed infinite": (_recorded(seed=float("inf")), "not finite"),
    "seed of 5,000 digits": (_text('"seed": 3', '"seed": ' + "9" * 5000), "more than 64 bits"),
    "number too large": (_recorded(metrics={"a": 1}, versions={"a": 7}), "versions.a"),
    "overflowing number": (_text('"seed": 3', '"seed": 1e999'), "not finite"),
    "half a surrogate pair": (_recorded(model="\ud800"), "not Unicode"),
    "half a pair as key": (_recorded(metrics={"\udc00": 1}), "not Unicode"),
    "half a pair in a name": (_recorded(concepts=_entry(name="fr\ud83dog")), "not Unicode"),
    "metrics 400 deep": (_text('"metrics": {', '"metrics": {"a": ' + "[" * 400 + "]" * 400 + ", "), "32 levels"),
    "metrics of a million lists": (_recorded(metrics={"a": [[]] * 1_000_000}), "more than 1,000,000 values"),
    "metrics as list": (_recorded(metrics=[]), "metrics: input should be a valid dictionary"),
    "a key twice": (_text('"seed": 3', '"seed": 3, "seed": 4'), "one key twice"),
    "unknown key": (_recorded(command="rm"), "command: extra inputs"),
    "another format": (_recorded(format=2), "format: input should be 1"),
    "hash of a file elsewhere": (_recorded(sha256={"../../etc/passwd": "0" * 64}), "outside of its folder"),
    "hash that is none": (_recorded(sha256={"input": "x"}), "sha256.input"),
    "parts of none": (_recorded(method="stacked"), "other parts than"),
    "part of itself": (_recorded(parts=[{"method": "ccup"}]), "parts.0"),
    "extreme factors": (_tensors(left=torch.full((32, 2), 1e30), right=torch.full((32, 2), 1e30)), "so large"),
    "large factors": (_tensors(left=torch.full((32, 2), 3e38), right=torch.zeros(32, 2)), "so large"),
    "doubles": (_tensors(left=torch.ones(32, 2).double(), right=torch.ones(32, 2).double()), "must be F32"),
    "name of 9,000 letters": (_recorded(concepts=_entry(name="x" * 9000)), "at most 1000 characters"),
    "name as number": (_recorded(concepts=_entry(name=7)), "no readable"),
    "blank name": (_recorded(concepts=_entry(name=" ")), "no readable"),
    "thousands of synonyms": (
        _recorded(concepts=_entry(synonyms=[f"w{i} x" for i in range(5000)])),
        "at most 256 items",
    ),
    "nothing to forget": (_recorded(concepts={"forget": [], "retain": []}), "names no concept"),
    "retain of numbers": (_recorded(concepts={"forget": _entry()["forget"], "retain": [7]}), "no readable"),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_a_hostile_file_is_refused_in_a_sentence(attack, toy, low_rank, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "edit.safetensors"
    save_edit(path, low_rank, record(toy, low_rank))
    spoil, sentence = HOSTILE[attack]
    spoil(path)
    with pytest.raises(InvalidInputError, match=sentence):
        load_edit(path, toy)
    assert not Path("the-pickle-was-opened").exists()


@pytest.mark.parametrize(
    "tensors",
    [{}, {"visual.nothing": torch.ones(2)}, {"visual.proj": torch.ones(2, 2)}, {"left": torch.ones(32, 2)}],
)
def test_weights_that_the_model_does_not_have_are_refused(tensors, toy, delta, tmp_path):
    save_file(tensors, tmp_path / "edit", metadata={METADATA: record(toy, delta).dumps()})
    with pytest.raises(ErasureFileError, match="does not have, or of other shapes"):
        load_edit(tmp_path / "edit", toy)


@pytest.mark.parametrize("value", [1e30, 3e38])
def test_weights_that_leave_no_embedding_a_number_are_refused(value, toy, delta, tmp_path):
    extreme = {"visual.proj": torch.full_like(delta.delta["visual.proj"], value)}
    save_file(extreme, tmp_path / "edit", metadata={METADATA: record(toy, delta).dumps()})
    with pytest.raises(ErasureFileError, match="embeddings overflow"):
        load_edit(tmp_path / "edit", toy)


def test_a_stacked_record_tells_of_what_its_parts_do(toy, low_rank, delta, tmp_path):
    both = Stacked(delta, low_rank)
    save_edit(tmp_path / "edit", both, record(toy, both))
    loaded, read = load_edit(tmp_path / "edit", toy)
    assert (loaded.selection, loaded.settings) == (both.selection, both.settings)
    assert read == record(toy, both)
    for lie in ({"parameters": {}}, {"concepts": _entry()}):
        save_edit(tmp_path / "edit", both, record(toy, both))
        _recorded(**lie)(tmp_path / "edit")
        with pytest.raises(ErasureFileError, match="other concepts or settings than its parts"):
            load_edit(tmp_path / "edit", toy)


def test_what_was_opened_does_not_change_with_its_file(toy, low_rank, tmp_path):
    path = tmp_path / "edit"
    save_edit(path, low_rank, record(toy, low_rank))
    loaded, _ = load_edit(path, toy)
    before = loaded.projection.left.clone()
    with path.open("r+b") as file:
        file.seek(-4 * before.numel() * 2, 2)
        file.write(b"\0" * (4 * before.numel() * 2))
    assert torch.equal(loaded.projection.left, before)


def test_a_record_that_nobody_could_read_is_not_written(toy, low_rank, tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        save_edit(tmp_path / "edit", low_rank, record_of(toy, low_rank, metrics={"top1": float("nan")}))
    assert not (tmp_path / "edit").exists()


def test_a_name_of_a_stranger_is_cleaned_like_a_typed_one(toy, low_rank, tmp_path):
    path = tmp_path / "edit"
    save_edit(path, low_rank, record(toy, low_rank))
    _recorded(concepts=_entry(name="<b>fr\u202eog\n</b>", synonyms=[" toad  s "]))(path)
    loaded, _ = load_edit(path, toy)
    assert loaded.selection == Selection(
        (loaded.selection.forget[0].__class__("<b>frog </b>", ("toad s",)),), ("whale",)
    )
