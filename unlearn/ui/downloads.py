"""Files made for visitors: each one's newest, gone with the visitor, all together under a limit. No gradio here."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path

from unlearn.errors import JobError

#: What is written beside weights.
MARGIN = 16_000_000


class Downloads:
    """One folder a visitor, inside gradio's, from which it serves files without copying them."""

    def __init__(self, limit: int = 4_000_000_000) -> None:
        self._limit = limit
        self._folders: dict[str, Path] = {}
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()
        weakref.finalize(self, _remove_all, self._folders)  # at the end of the process, too

    def make(self, key: str, expected: int, write: Callable[[Path], Path]) -> Path:
        """The file that ``write`` makes in the folder it is given, in place of what ``key`` had before.

        Args:
            key: the visitor's.
            expected: about how many bytes it takes while it is made.
            write: makes it; what it raises leaves nothing behind.

        Raises:
            JobError: there is no room.
        """
        with self._lock:
            self._remove(key)
            root = Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio")
            root.mkdir(parents=True, exist_ok=True)
            if expected + MARGIN > min(self._limit - sum(self._sizes.values()), shutil.disk_usage(root).free):
                raise JobError(
                    f"There is no room for a file of {expected / 1e6:,.0f} MB here now. Try later, take the edit "
                    "alone, or run `python -m unlearn erase` on a machine of your own."
                )
            # The folder's name cannot be guessed: it is all that keeps others from the file.
            self._sizes[key] = expected + MARGIN
            folder = self._folders[key] = Path(tempfile.mkdtemp(prefix="unlearn-", dir=root))
        try:
            path = write(folder)
            self._sizes[key] = path.stat().st_size
            return path
        except BaseException as error:
            self.forget(key)
            if isinstance(error, OSError):
                raise JobError("The file could not be written: the disk is full or gone. Try again later.") from error
            raise

    def forget(self, key: str) -> None:
        """Remove what ``key`` has."""
        with self._lock:
            self._remove(key)

    def _remove(self, key: str) -> None:
        folder = self._folders.pop(key, None)
        self._sizes.pop(key, None)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _remove_all(folders: dict[str, Path]) -> None:
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)


def zipped(folder: Path, target: Path) -> Path:
    """Move ``folder`` into the archive ``target``, file by file, so that little is there twice; returns ``target``."""
    # Weights hardly shrink, so nothing is compressed.
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder.parent))
            path.unlink()
    shutil.rmtree(folder)
    return target
