"""Temporary folders that last as long as their process: removed at its end, or by the next process after a crash.

A lock on a file inside shows that the process is alive: the system releases the lock whenever the process ends.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

if sys.platform != "win32":
    import fcntl

LOCK = "lock"


class Scratch:
    """A new folder that only its user can read, with an unpredictable name.

    Attributes:
        path: path of the folder.
        mode: permissions of new files according to the umask.
    """

    def __init__(self, parent: Path, prefix: str) -> None:
        """Create the folder in ``parent``, after removing folders of the same ``prefix`` whose process has ended.

        Raises:
            OSError: ``parent`` is not writable.
        """
        for path in parent.glob(f"{prefix}*"):
            if _is_own(path) and (lock := _taken(path)):
                _remove(path, lock)
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
            # Until the folder is locked, another process may take it for an abandoned one.
            if lock := _taken(self.path):
                break
        self._lock = lock
        self.mode = (self.path / LOCK).stat().st_mode & 0o777

    def remove(self) -> None:
        """Remove the folder with its content; a second call has no effect."""
        _remove(self.path, self._lock)


@contextmanager
def scratch(parent: Path, prefix: str) -> Iterator[Scratch]:
    """Provide a :class:`Scratch` for the duration of a block."""
    made = Scratch(parent, prefix)
    try:
        yield made
    finally:
        made.remove()


def _is_own(path: Path) -> bool:
    """Return True if ``path`` is a folder owned by this user: in a shared folder, others may have created it."""
    if sys.platform == "win32":
        return False  # without such locks, folders of a crashed process are not removed
    found = path.lstat() if path.is_dir() and not path.is_symlink() else None
    return found is not None and found.st_uid == os.getuid()


def _taken(folder: Path) -> IO[str] | None:
    """Return the lock of ``folder`` if it is free and the folder still exists."""
    try:
        lock = (folder / LOCK).open("a", encoding="utf-8")
    except FileNotFoundError:
        return None
    if sys.platform != "win32":
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return None
        if not (folder / LOCK).exists():  # removed between the two steps
            lock.close()
            return None
    return lock


def _remove(folder: Path, lock: IO[str]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.close()
