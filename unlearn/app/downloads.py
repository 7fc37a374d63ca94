"""Files made for visitors: each one's newest, gone with the visitor, all together under a limit. No gradio here."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from unlearn.errors import JobError

#: What is written beside weights.
MARGIN = 16_000_000
#: Of the room for all, what the files of one address may take; a single one may take more.
SHARE = 0.25


@dataclass(eq=False)
class _File:
    """A file, or one that is being made, with the room that it takes or will."""

    owner: str
    payer: str
    folder: Path
    size: int
    ready: bool = False


class Downloads:
    """A folder a file, inside gradio's, from which it serves files without copying them."""

    def __init__(self, limit: int = 4_000_000_000) -> None:
        self._limit = limit
        self._files: list[_File] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _remove_all, self._files)  # at the end of the process, too

    def make(self, owner: str, expected: int, write: Callable[[Path], Path], *, payer: str = "") -> Path:
        """The file that ``write`` makes in the folder it is given; then what ``owner`` had before is removed.

        Args:
            owner: the visitor's key.
            expected: about how many bytes it takes while it is made.
            write: makes it; what it raises leaves nothing behind.
            payer: whose share of the room it takes, an address; without one it is ``owner``'s.

        Raises:
            JobError: there is no room, or the visit has ended meanwhile.
        """
        with self._lock:
            before = [file for file in self._files if file.owner == owner and file.ready]
            new = self._begin(owner, payer or owner, expected + MARGIN, before)
        try:
            path = write(new.folder)
        except BaseException:
            with self._lock:
                self._remove([new])
            raise
        with self._lock:
            if new not in self._files:
                self._remove([new])  # what was written since goes too
                raise JobError("The visit has ended, and the file with it; make it again.")
            new.size, new.ready = path.stat().st_size, True
            # One that was made at the same time stays: its owner has not yet seen it.
            self._remove(before)
        return path

    def forget(self, owner: str) -> None:
        """Remove what ``owner`` has."""
        with self._lock:
            self._remove([file for file in self._files if file.owner == owner])

    def _begin(self, owner: str, payer: str, size: int, before: list[_File]) -> _File:
        root = Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio")
        root.mkdir(parents=True, exist_ok=True)
        others = sum(file.size for file in self._files if file.payer == payer and file not in before)
        if others and others + size > SHARE * self._limit:
            raise JobError(
                f"The files made for your address may take {SHARE * self._limit / 1e6:,.0f} MB together, and one of "
                f"{size / 1e6:,.0f} MB would be more. Close a page that has made one, or wait until its visit ends."
            )
        room = min(self._limit - sum(file.size for file in self._files), shutil.disk_usage(root).free)
        if size > room + sum(file.size for file in before):
            raise JobError(
                f"There is no room for a file of {size / 1e6:,.0f} MB here now. Try later, take the edit "
                "alone, or run `python -m unlearn erase` on a machine of your own."
            )
        if size > room:
            self._remove(before)
        # The folder's name cannot be guessed: it is all that keeps others from the file.
        new = _File(owner, payer, Path(tempfile.mkdtemp(prefix="unlearn-", dir=root)), size)
        self._files.append(new)
        return new

    def _remove(self, files: list[_File]) -> None:
        for file in files:
            if file in self._files:
                self._files.remove(file)
            shutil.rmtree(file.folder, ignore_errors=True)


def _remove_all(files: list[_File]) -> None:
    for file in files:
        shutil.rmtree(file.folder, ignore_errors=True)


def zipped(folder: Path, target: Path) -> Path:
    """Move ``folder`` into the archive ``target``, file by file, so that little is there twice; returns ``target``."""
    # Weights hardly shrink, so nothing is compressed.
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder.parent))
            path.unlink()
    shutil.rmtree(folder)
    return target
