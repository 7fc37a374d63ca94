"""An index on disk: the embeddings of a folder's pictures, and which row is of which picture.

``DIR/index.json``        model, hash of its weights, embed_dim, the folder of the pictures
``DIR/embeddings.f32``    rows of embed_dim little-endian float32 at unit length, memory-mapped
``DIR/pictures.jsonl``    a line for each file met: ``{"path": …}`` has a row, ``{"path": …, "error": …}`` has none
``DIR/codes.faiss``       where rows are many, their quantised codes: see :mod:`unlearn.index.codes`

Rows and lines are only ever appended, rows first, so that what a killed process leaves is an index of fewer pictures.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from unlearn.errors import PictureError

HEADER, EMBEDDINGS, PICTURES = "index.json", "embeddings.f32", "pictures.jsonl"
FLOAT_BYTES = 4


@dataclass(frozen=True)
class Header:
    """What the embeddings depend on, and where the pictures are."""

    model: str
    sha256: str
    embed_dim: int
    pictures: str
    format: int = 1


@dataclass(frozen=True, eq=False)
class Store:
    """An index as it is on disk now.

    Attributes:
        paths: of the pictures, relative to the header's folder, in the order of the rows.
        skipped: files without a row, and why.
        log_bytes: length of ``pictures.jsonl`` up to the last line that counts.
    """

    folder: Path
    header: Header
    paths: Sequence[str]
    skipped: Mapping[str, str]
    log_bytes: int

    @classmethod
    def open(cls, folder: str | Path) -> Store:
        """Read an index; lines that have no row yet, and a row or a line cut off half-way, do not count.

        Raises:
            PictureError: there is none, or its header cannot be read.
        """
        path = Path(folder)
        try:
            header = Header(**json.loads((path / HEADER).read_text(encoding="utf-8")))
            rows = (path / EMBEDDINGS).stat().st_size // (FLOAT_BYTES * header.embed_dim)
            return cls(path, header, *_read_log(path / PICTURES, rows))
        except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
            raise PictureError(
                f"“{folder}” is not an index that can be read ({type(error).__name__}: {error}). "
                "Make one with python -m unlearn index."
            ) from error

    @classmethod
    def create(cls, folder: Path, header: Header) -> Store:
        """An empty index; the header comes last, so that a folder with a header is whole."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in (EMBEDDINGS, PICTURES):
            (folder / name).touch()
        (folder / HEADER).write_text(json.dumps(asdict(header), indent=2) + "\n", encoding="utf-8")
        return cls.open(folder)

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def name(self) -> str:
        """What the folder of the pictures is called, without the way there."""
        return Path(self.header.pictures).name

    def picture(self, row: int) -> Path:
        """Where the picture of ``row`` is."""
        return Path(self.header.pictures) / self.paths[row]

    @cached_property
    def embeddings(self) -> Tensor:
        """All rows, (n, embed_dim), read from disk as they are used. Changing them would not change the file."""
        size = len(self) * self.header.embed_dim
        rows = torch.from_file(str(self.folder / EMBEDDINGS), size=size) if size else torch.empty(0)
        return rows.view(-1, self.header.embed_dim)


class Appender:
    """Adds rows to an index, and takes off what a killed process left half-written. A context manager."""

    def __init__(self, store: Store) -> None:
        self._rows = (store.folder / EMBEDDINGS).open("r+b")
        self._log = (store.folder / PICTURES).open("r+b")
        self._rows.truncate(FLOAT_BYTES * len(store) * store.header.embed_dim)
        self._log.truncate(store.log_bytes)

    def __enter__(self) -> Appender:
        for file in (self._rows, self._log):
            file.seek(0, os.SEEK_END)
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()
        self._log.close()

    def add(self, rows: Tensor, paths: Sequence[str], skipped: Mapping[str, str] | None = None) -> None:
        """Append ``rows`` (n, embed_dim) of the pictures at ``paths``, and a line for each file that has no row."""
        entries = [{"path": path} for path in paths]
        entries += [{"path": path, "error": error} for path, error in (skipped or {}).items()]
        self._rows.write(rows.numpy().astype("<f4", copy=False).tobytes())
        self._rows.flush()
        self._log.write("".join(json.dumps(entry) + "\n" for entry in entries).encode())
        self._log.flush()


def _read_log(path: Path, rows: int) -> tuple[list[str], dict[str, str], int]:
    paths: list[str] = []
    skipped: dict[str, str] = {}
    length = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            entry = json.loads(line)
            if "error" in entry:
                skipped[entry["path"]] = entry["error"]
            elif len(paths) == rows:
                break
            else:
                paths.append(entry["path"])
            length += len(line)
    return paths, skipped, length
