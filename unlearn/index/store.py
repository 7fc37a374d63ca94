"""An index on disk: the embeddings of a folder's images, and the image of each row.

``DIR/index.json``        model, hash of its weights, embed_dim, the folder of the images
``DIR/embeddings.f32``    rows of embed_dim little-endian float32 at unit length, memory-mapped
``DIR/images.jsonl``    one line per file: ``{"path": …}`` has a row, ``{"path": …, "error": …}`` has none
``DIR/codes.safetensors`` quantised codes of an index with many rows: see :mod:`unlearn.index.codes`

Rows and lines are only appended, rows first, so that a killed process leaves a valid index of fewer images.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from unlearn.errors import ImageError
from unlearn.files.schemas import (
    InnerPath,
    RefusedError,
    Schema,
    Sha256,
    ShortText,
    check,
    parse_json,
    read_bytes,
    size_of,
)

HEADER, EMBEDDINGS, IMAGES = "index.json", "embeddings.f32", "images.jsonl"
FLOAT_BYTES = 4
MOST_HEADER, MOST_LINE = 100_000, 100_000


class Header(Schema):
    """The model of the embeddings and the folder of the images."""

    model: ShortText
    sha256: Sha256
    embed_dim: Annotated[int, Field(ge=1, le=65_536)]
    images: str
    format: Literal[1] = 1


class _Line(Schema):
    """A line for one file; with an ``error``, the file has no row."""

    path: InnerPath
    error: str | None = None


@dataclass(frozen=True, eq=False)
class Store:
    """An index in its current state on disk.

    Attributes:
        paths: paths of the images, relative to the header's folder, in the order of the rows.
        skipped: files without a row, and the reason.
        log_bytes: length of ``images.jsonl`` up to the last valid line.
    """

    folder: Path
    header: Header
    paths: Sequence[str]
    skipped: Mapping[str, str]
    log_bytes: int

    @classmethod
    def open(cls, folder: str | Path) -> Store:
        """Read an index; lines without a row, and a truncated last row or line, are ignored.

        Raises:
            ImageError: there is no index, or its header cannot be read.
        """
        path = Path(folder)
        try:
            header = check(Header, parse_json(read_bytes(path / HEADER, most=MOST_HEADER), file_names=True))
            rows = size_of(path / EMBEDDINGS) // (FLOAT_BYTES * header.embed_dim)
            return cls(path, header, *_read_log(path / IMAGES, rows))
        except (OSError, RefusedError) as error:
            raise ImageError(
                f"“{folder}” is not an index that can be read: {error}. Make one with python -m unlearn index."
            ) from error

    @classmethod
    def create(cls, folder: Path, header: Header) -> Store:
        """Create an empty index; the header is written last, so that a folder with a header is complete."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in (EMBEDDINGS, IMAGES):
            (folder / name).touch()
        (folder / HEADER).write_text(json.dumps(header.model_dump(), indent=2) + "\n", encoding="utf-8")
        return cls.open(folder)

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def name(self) -> str:
        """The name of the folder of the images, without its path."""
        return Path(self.header.images).name

    def location(self, row: int) -> Path:
        """Return the path of the image of ``row`` at the time of indexing."""
        return Path(self.header.images) / self.paths[row]

    def image(self, row: int) -> Path:
        """Return the file from which to read the image of ``row``.

        Raises:
            ImageError: the path now leads out of the indexed folder.
        """
        return inside(Path(self.header.images), self.paths[row])

    @cached_property
    def embeddings(self) -> Tensor:
        """All rows, (n, embed_dim), memory-mapped. Changes to the tensor do not change the file."""
        size = len(self) * self.header.embed_dim
        rows = torch.from_file(str(self.folder / EMBEDDINGS), size=size) if size else torch.empty(0)
        return rows.view(-1, self.header.embed_dim)


class Appender:
    """A context manager that adds rows to an index, after removing what a killed process left incomplete."""

    def __init__(self, store: Store) -> None:
        self._rows = (store.folder / EMBEDDINGS).open("r+b")
        self._log = (store.folder / IMAGES).open("r+b")
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
        """Append ``rows`` (n, embed_dim) of the images at ``paths``, and a line for each skipped file."""
        entries = [{"path": path} for path in paths]
        entries += [{"path": path, "error": error} for path, error in (skipped or {}).items()]
        self._rows.write(rows.numpy().astype("<f4", copy=False).tobytes())
        self._rows.flush()
        self._log.write("".join(json.dumps(entry) + "\n" for entry in entries).encode())
        self._log.flush()


def inside(root: Path, path: str) -> Path:
    """Return the file at ``path`` under ``root``, with all links resolved.

    Raises:
        ImageError: the file is outside ``root``.
    """
    try:
        found = (root / path).resolve()
        if found.is_relative_to(root.resolve()):
            return found
    except (OSError, RuntimeError):  # circular links
        pass
    raise ImageError(f"“{Path(path).name}” is a link that leads out of the folder of the index.")


def _read_log(path: Path, rows: int) -> tuple[list[str], dict[str, str], int]:
    paths: list[str] = []
    skipped: dict[str, str] = {}
    length = 0
    size_of(path)
    with path.open("rb") as file:
        while line := file.readline(MOST_LINE):
            if not line.endswith(b"\n"):
                if len(line) == MOST_LINE:
                    raise RefusedError(f"line {len(paths) + len(skipped) + 1:,} of {IMAGES} has no end")
                break
            entry = check(_Line, parse_json(line, file_names=True))
            if entry.error is not None:
                skipped[entry.path] = entry.error
            elif len(paths) == rows:
                break
            else:
                paths.append(entry.path)
            length += len(line)
    return paths, skipped, length
