"""Folders that last as long as their process, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from unlearn.files.scratch import Scratch, scratch

CHILD = """
import sys, time
from pathlib import Path
from unlearn.files.scratch import Scratch
made = Scratch(Path(sys.argv[1]), "s-")
(made.path / "secret").write_text("of a visitor")
print(made.path, flush=True)
time.sleep(60)
"""


def child(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(parent)], stdout=subprocess.PIPE, text=True)
    return process, Path(process.stdout.readline().strip())


def test_a_folder_of_the_dead_goes_and_those_of_the_living_stay(tmp_path: Path):
    living, theirs = child(tmp_path)
    dead, left = child(tmp_path)
    try:
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        assert (left / "secret").exists(), "nobody had the time to remove it"
        with scratch(tmp_path, "s-") as own:
            assert not left.exists()
            assert (theirs / "secret").exists()
            assert own.path != theirs
        assert not own.path.exists()
    finally:
        living.kill()
        living.wait()
        living.stdout.close()
        dead.stdout.close()


def test_nobody_else_may_read_it(tmp_path: Path):
    with scratch(tmp_path, "s-") as own:
        assert own.path.stat().st_mode & 0o777 == 0o700


def test_other_folders_are_left_alone(tmp_path: Path):
    (tmp_path / "other").mkdir()
    (tmp_path / "s-file").write_text("no folder")
    (tmp_path / "s-link").symlink_to(tmp_path / "other")
    with scratch(tmp_path, "s-"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"other", "s-file", "s-link"}


def test_one_that_was_not_yet_locked_is_made_again(tmp_path: Path, monkeypatch):
    """Two processes start at once: the second looks for the dead between the first one's folder and its lock."""
    from unlearn.files import scratch as module

    real, raced = module._taken, []

    def taken(folder: Path):
        if not raced:
            raced.append(folder)
            Scratch(tmp_path, "s-").remove()
        return real(folder)

    monkeypatch.setattr(module, "_taken", taken)
    with scratch(tmp_path, "s-") as own:
        assert own.path != raced[0]
        assert own.path.exists()
    assert not list(tmp_path.iterdir())


def test_files_get_the_mode_of_the_umask(tmp_path: Path):
    before = os.umask(0o027)
    try:
        with scratch(tmp_path, "s-") as own:
            assert own.mode == 0o640
    finally:
        os.umask(before)
