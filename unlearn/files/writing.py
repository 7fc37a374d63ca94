"""Output of commands: checked before work starts, written completely or not at all, with the umask's permissions."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from unlearn.errors import ParameterError
from unlearn.files.scratch import scratch


def require_folder(path: Path) -> None:
    """Raise unless ``path`` is a writable folder, or one that can be created.

    Raises:
        ParameterError: it is not; the message gives the reason.
    """
    try:
        if path.exists() and not path.is_dir():
            raise ParameterError(f"“{path}” is a file; name a folder to write to.")
        _require_writable(path, path)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error


def require_file(path: Path) -> None:
    """Raise unless a file can be written to ``path``.

    Raises:
        ParameterError: it cannot; the message gives the reason.
    """
    try:
        if path.exists() and not path.is_file():
            raise ParameterError(f"“{path}” is a folder or a device; name a file to write to.")
        _require_writable(path, path.parent)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error


def _require_writable(path: Path, folder: Path) -> None:
    """Raise unless ``folder``, or its nearest existing parent, is writable; tested by writing, beyond permissions."""
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not there.is_dir():
        raise ParameterError(f"“{path}” cannot be made: “{there}” is a file.")
    tempfile.TemporaryFile(dir=there).close()


def _unwritable(path: Path, error: Exception) -> ParameterError:
    if isinstance(error, ParameterError):
        return error
    why = error.strerror if isinstance(error, OSError) else str(error)
    return ParameterError(f"“{path}” cannot be written ({why}); name another place.")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Provide a temporary path that replaces ``path`` at the end of the block; an error leaves no trace."""
    path = path.resolve()  # keep a link and replace its target
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch(path.parent, f".{path.name}.unfinished-") as own:
        unfinished = own.path / path.name
        yield unfinished
        unfinished.chmod(own.mode)
        unfinished.replace(path)


@contextmanager
def whole_folder(folder: Path, *, last: str, replaces: Iterable[str] = ()) -> Iterator[Path]:
    """Provide a temporary folder whose files move to ``folder`` at the end of the block; an error leaves no trace.

    Args:
        folder: destination of the files; it may be a mount point, so the folder stays and its files are replaced.
        last: file that is moved last because it lists the others.
        replaces: names of earlier files, which are removed unless they are written again.
    """
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with scratch(folder, ".unfinished-") as own:
            new = own.path / "new"
            new.mkdir()
            yield new
            written = sorted(files_in(new), key=lambda name: (name == last, name))
            for name in written:
                (new / name).chmod(own.mode)
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (new / name).replace(folder / name)
        for name in set(replaces).difference(written):
            _remove(folder, name)
    except BaseException:
        if is_new:
            with suppress(OSError):
                folder.rmdir()
        raise


def files_in(folder: Path) -> list[str]:
    """Return the names of all files in ``folder`` and its subfolders."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def sha256_of(path: Path) -> str:
    """Return the hash of the file at ``path``, which may be larger than the memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def listed_in(record: Path) -> list[str]:
    """Return the files whose hashes the JSON at ``record`` lists, by their names in its folder; [] if it is invalid."""
    try:
        names = json.loads(record.read_bytes())["sha256"]
        return [name for name in names if is_inside(name)]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def is_inside(name: str) -> bool:
    """Return True if the relative path ``name`` stays inside its folder."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _remove(folder: Path, name: str) -> None:
    """Remove a file, and the folders in ``folder`` that it leaves empty."""
    path = folder / name
    path.unlink(missing_ok=True)
    for parent in path.relative_to(folder).parents:
        with suppress(OSError):
            if parent.parts:
                (folder / parent).rmdir()
