"""What is written takes the place of what was there, whole or not at all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from unlearn.errors import ParameterError
from unlearn.files.writing import is_inside, listed_in, require_file, require_folder, whole_file, whole_folder

WRITES = """
import sys, time
from pathlib import Path
from unlearn.files.writing import whole_file, whole_folder
place = Path(sys.argv[1])
if place.suffix:
    with whole_file(place) as new:
        new.write_text("half")
        print("half", flush=True)
        time.sleep(60)
with whole_folder(place, last="record.json", replaces=["a", "b"]) as new:
    (new / "a").write_text("half")
    print("half", flush=True)
    time.sleep(60)
"""


def killed(place: Path) -> None:
    """A process writes half of what it has to write, and is no more."""
    process = subprocess.Popen([sys.executable, "-c", WRITES, str(place)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def contents(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def write(folder: Path, replaces=(), **files: str) -> None:
    with whole_folder(folder, last="record.json", replaces=replaces) as new:
        for name, text in files.items():
            path = new / name.replace("_", "/")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)


def test_a_folder_is_what_it_was_after_a_kill_and_clean_after_the_next_writing(tmp_path: Path):
    out = tmp_path / "out"
    write(out, a="old", b="old", deep_c="old")
    killed(out)
    before = {name: text for name, text in contents(out).items() if not name.startswith(".unfinished")}
    assert before == {"a": "old", "b": "old", "deep/c": "old"}
    write(out, replaces=["a", "b", "deep/c"], a="new")
    assert contents(out) == {"a": "new"}
    assert [path.name for path in out.iterdir()] == ["a"]


def test_a_file_is_what_it_was_after_a_kill_and_its_folder_clean_after_the_next_writing(tmp_path: Path):
    path = tmp_path / "run.safetensors"
    for text in ("old", "new"):
        with whole_file(path) as new:
            new.write_text(text)
        if text == "old":
            killed(path)
            assert path.read_text() == "old"
    assert contents(tmp_path) == {"run.safetensors": "new"}


def test_what_fails_leaves_no_trace(tmp_path: Path):
    with suppress(KeyError), whole_folder(tmp_path / "out", last="record.json") as new:
        (new / "a").write_text("half")
        raise KeyError
    with suppress(KeyError), whole_file(tmp_path / "file") as new:
        new.write_text("half")
        raise KeyError
    assert not list(tmp_path.iterdir())


def test_other_files_stay_and_the_one_that_speaks_of_the_others_comes_last(tmp_path: Path):
    (tmp_path / "README.md").write_text("mine")
    write(tmp_path, **{"record.json": "1", "z": "1"})
    moved = sorted(contents(tmp_path), key=lambda name: (tmp_path / name).stat().st_ctime_ns)
    assert moved == ["README.md", "z", "record.json"]


def test_files_may_be_read_as_the_umask_says_whoever_wrote_them(tmp_path: Path):
    before = os.umask(0o022)
    try:
        with whole_folder(tmp_path, last="record.json") as new:
            os.close(os.open(new / "model", os.O_CREAT, 0o600))  # as safetensors does
        with whole_file(tmp_path / "file") as new:
            os.close(os.open(new, os.O_CREAT, 0o600))
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}


def test_a_link_goes_on_pointing(tmp_path: Path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with whole_file(tmp_path / "link") as new:
        new.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


@pytest.mark.parametrize("name", ["/etc/passwd", "../x", "a/../../x", "a\0b"])
def test_no_record_speaks_of_files_elsewhere(tmp_path: Path, name: str):
    assert not is_inside(name)
    (tmp_path / "record.json").write_text(json.dumps({"sha256": {name: "", "a/b": ""}}))
    assert listed_in(tmp_path / "record.json") == ["a/b"]


@pytest.mark.parametrize("text", ["", "[]", "[" * 9000, '{"sha256": 1}', "\udc80"])
def test_what_is_no_record_lists_nothing(tmp_path: Path, text: str):
    (tmp_path / "record.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert listed_in(tmp_path / "record.json") == []
    assert listed_in(tmp_path / "missing") == []


@pytest.mark.parametrize("require", [require_file, require_folder])
def test_a_place_that_can_be_written_to_is_left_as_it_is(tmp_path: Path, require):
    require(tmp_path / "new")
    require(tmp_path / "deep" / "er" / "new")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ParameterError, match="device" if require is require_file else "is a file"):
        require(Path(os.devnull))
