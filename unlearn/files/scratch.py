"""Folders that last as long as their process: removed with it, or by the next one after a crash.

A lock on a file inside tells the living from the dead: the system gives it back when a process ends, however it ends.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LOCK = "lock"


class Scratch:
    """A new folder that its user alone can read, with a name that cannot be guessed.

    Attributes:
        path: the folder.
        mode: permissions of a file that this process makes, as the umask has them.
    """

    def __init__(self, parent: Path, prefix: str) -> None:
        """Make the folder in ``parent``, after removing those of the same ``prefix`` whose process has died.

        Raises:
            OSError: nothing can be written there.
        """
        for path in parent.glob(f"{prefix}*"):
            if _is_own(path) and (lock := _taken(path)):
                _remove(path, lock)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            # Until it is locked, another process may take it for one of the dead.
            if lock := _taken(self.path):
                break
        self._lock = lock
        self.mode = (self.path / LOCK).stat().st_mode & 0o777

    def remove(self) -> None:
        """Remove the folder and all that is in it; nothing happens the second time."""
        _remove(self.path, self._lock)


@contextmanager
def scratch(parent: Path, prefix: str) -> Iterator[Scratch]:
    """A :class:`Scratch` for the time of a block."""
    made = Scratch(parent, prefix)
    try:
        yield made
    finally:
        made.remove()


def _is_own(path: Path) -> bool:
    """Whether ``path`` is a folder of this user's: in a folder of everybody's, others may have put theirs."""
    if sys.platform == "win32":
        return False  # it has no such locks: what a crash leaves there stays
    import os

    found = path.lstat() if path.is_dir() and not path.is_symlink() else None
    return found is not None and found.st_uid == os.getuid()


def _taken(folder: Path) -> IO[str] | None:
    """The lock of ``folder``, if nobody holds it and the folder is still there."""
    try:
        lock = (folder / LOCK).open("a", encoding="utf-8")
    except FileNotFoundError:
        return None
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return None
        if not (folder / LOCK).exists():  # it was removed between the two
            lock.close()
            return None
    return lock


def _remove(folder: Path, lock: IO[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()
