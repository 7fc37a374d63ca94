"""Files made for visitors. Each visitor keeps the newest; it is removed when the visit ends."""

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

#: Bytes that an export writes besides the weights.
MARGIN = 16_000_000
#: Largest share of the total space for the files of one address; a single file may exceed it.
SHARE = 0.25


@dataclass(eq=False)
class _File:
    """A file that exists or is being made, with the space it takes or will take."""

    owner: str
    payer: str
    folder: Path
    size: int
    ready: bool = False


class Downloads:
    """Store of files, one folder each, inside gradio's folder, so that gradio serves them without a copy."""

    def __init__(self, limit: int = 4_000_000_000) -> None:
        self._limit = limit
        self._files: list[_File] = []
        self._lock = threading.Lock()
        weakref.finalize(self, _remove_all, self._files)  # also at the end of the process

    def make(self, owner: str, expected: int, write: Callable[[Path], Path], *, payer: str = "") -> Path:
        """Return the file that ``write`` makes in the folder it is given, and remove the owner's previous file.

        Args:
            owner: the visitor's key.
            expected: the approximate number of bytes needed while the file is made.
            write: makes the file; if it raises, nothing remains on disk.
            payer: the address whose share of the space is used; by default ``owner`` counts as the address.

        Raises:
            JobError: there is not enough space, or the visit ended in the meantime.
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
                self._remove([new])  # also removes what was written after the visit ended
                raise JobError("The visit has ended, and the file with it; make it again.")
            new.size, new.ready = path.stat().st_size, True
            # A file made at the same time is kept: its owner has not yet received it.
            self._remove(before)
        return path

    def forget(self, owner: str) -> None:
        """Remove the files of ``owner``."""
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
        # The folder's name cannot be guessed; nothing else protects the file from other visitors.
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
    """Move ``folder`` into the archive ``target`` file by file, so that few bytes exist twice; return ``target``."""
    # Weights hardly compress, so the archive is stored uncompressed.
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder.parent))
            path.unlink()
    shutil.rmtree(folder)
    return target
