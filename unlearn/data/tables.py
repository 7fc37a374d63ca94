"""Images with labels or captions that a table lists (CSV, JSONL, Parquet) or that WebDataset archives hold."""

from __future__ import annotations

import csv
import json
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from unlearn import late
from unlearn.concepts.selection import MAX_CAPTION_LENGTH
from unlearn.data.folders import class_name, skipped_in_words
from unlearn.data.gallery import ENOUGH, Gallery, GalleryImage
from unlearn.data.images import SUFFIXES, open_image
from unlearn.errors import ImageError

#: Names of columns, and of WebDataset's endings, in the order in which they are looked for.
IMAGES = ("image", "img", "jpg", "jpeg", "png", "webp", "file_name", "filename", "filepath", "path")
LABELS = ("label", "class", "cls", "concept", "fine_label")
CAPTIONS = ("caption", "captions", "text", "txt")
#: Names of a WebDataset's classes, one a line, beside its archives or one folder above.
CLASSES = "classnames.txt"


@dataclass(frozen=True)
class Row:
    """One image of a table: its name in messages, the function that opens it, its label and its captions."""

    name: str
    load: Callable[[], Image.Image]
    label: str = ""
    captions: tuple[str, ...] = ()


def is_table(source: str) -> bool:
    """Return whether ``source`` is a table, or names WebDataset archives: a file, a pattern, or a folder of them."""
    path = Path(source)
    if path.is_dir():
        return any(path.glob("*.tar"))
    return path.suffix.lower() in {*READERS, ".tar"}


def table_gallery(source: str, concepts: Sequence[str] = ()) -> Gallery:
    """Load the images of a table or of WebDataset archives.

    An image without a label gets the one of ``concepts`` that its captions name, or else its caption, as its class.

    Raises:
        ImageError: there is no such file, it has no column of images or of labels or captions, or no image can be read.
    """
    path = Path(source)
    try:
        reader = READERS.get(path.suffix.lower())
        rows = list(reader(path) if reader and not path.is_dir() else _archives(path))
    except (OSError, ValueError, csv.Error, tarfile.TarError) as error:
        raise ImageError(f"“{source}” cannot be read as a table of images ({str(error)[:200]}).") from error
    return gallery_of(path.name, rows, concepts)


def gallery_of(name: str, rows: Sequence[Row], concepts: Sequence[str]) -> Gallery:
    """Return the images of ``rows`` that can be read; the others are listed in the notices.

    Raises:
        ImageError: no image can be read.
    """
    words = patterns_of(concepts)
    with ThreadPoolExecutor() as pool:
        reasons = list(pool.map(_unusable, rows))
    skipped = {row.name: why for row, why in zip(rows, reasons, strict=True) if why}
    images = [_image(row, words) for row, why in zip(rows, reasons, strict=True) if not why]
    if not images:
        first = next(iter(skipped.items()), ("", "it lists none"))
        raise ImageError(f"No image of “{name}” can be read: {': '.join(filter(None, first))}.")
    return Gallery(name, tuple(images), tuple(skipped_in_words(skipped)))


def patterns_of(concepts: Sequence[str]) -> dict[str, re.Pattern[str]]:
    """Return the pattern by which a caption names each concept, in the singular or the plural."""
    return {name: re.compile(rf"\b{re.escape(name)}s?\b", re.IGNORECASE) for name in concepts}


def named_concept(captions: Sequence[str], words: Mapping[str, re.Pattern[str]]) -> str:
    """Return the first of ``words`` that the captions name, else the first caption."""
    return next((name for name, word in words.items() if any(map(word.search, captions))), captions[0])


def rows_of(
    name: str, columns: Sequence[str], records: Iterable[Mapping[str, Any]], image: Callable[[Any], Callable[[], Any]]
) -> Iterator[Row]:
    """Yield the rows of a table with ``columns``; ``image`` turns a value of the column of images into its opener.

    Raises:
        ImageError: a column is missing.
    """
    found = {what: _column(columns, wanted) for what, wanted in (("image", IMAGES), ("label", LABELS))}
    caption = _column(columns, CAPTIONS)
    if not found["image"] or not (found["label"] or caption):
        raise ImageError(
            f"“{name}” has the columns {', '.join(columns)}. It needs images ({', '.join(IMAGES)}), and labels "
            f"({', '.join(LABELS)}) or captions ({', '.join(CAPTIONS)})."
        )
    for number, record in enumerate(records):
        value, label = record[found["image"]], record.get(found["label"] or "")
        shown = value if isinstance(value, str) else f"row {number}"
        yield Row(shown, image(value), "" if label is None else str(label), _texts(record.get(caption or "")))


def _image(row: Row, words: Mapping[str, re.Pattern[str]]) -> GalleryImage:
    concept = class_name(row.label) if row.label else named_concept(row.captions, words)
    caption = row.captions[0] if row.captions else f"a picture of a {concept}"
    return GalleryImage(concept, caption, row.load, source=row.name)


def _unusable(row: Row) -> str:
    if not (row.label or row.captions):
        return "it has neither a label nor a caption"
    try:
        row.load()
    except ImageError as error:
        return str(error)
    return ""


def _column(columns: Sequence[str], wanted: Sequence[str]) -> str | None:
    known = {column.strip().lower(): column for column in columns}
    return next((known[name] for name in wanted if name in known), None)


def _texts(value: Any) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    return tuple(str(text).strip()[:MAX_CAPTION_LENGTH] for text in texts if text is not None and str(text).strip())


# Tables


def _csv(path: Path) -> Iterator[Row]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        yield from rows_of(path.name, reader.fieldnames or (), reader, partial(_beside, path.parent))


def _jsonl(path: Path) -> Iterator[Row]:
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    records = [json.loads(line) for line in lines if line.strip()]
    if not all(isinstance(record, dict) for record in records):
        raise ValueError("each line must be a JSON object")
    columns = list(dict.fromkeys(key for record in records for key in record))
    whole = (dict.fromkeys(columns) | record for record in records)
    yield from rows_of(path.name, columns, whole, partial(_beside, path.parent))


def _parquet(path: Path) -> Iterator[Row]:
    table = late.parquet.read_table(path)
    label = _column(table.column_names, LABELS)
    names = _class_names(table.schema.metadata or {}, label)

    def records() -> Iterator[Mapping[str, Any]]:
        for record in table.to_pylist():
            number = record.get(label or "")
            yield record | ({label: names[number]} if names and isinstance(number, int) else {})

    yield from rows_of(path.name, table.column_names, records(), partial(_beside, path.parent))


def _class_names(metadata: Mapping[bytes, bytes], label: str | None) -> list[str]:
    """Return the names of a column of class numbers, as ``datasets`` writes them into the file."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return list(features[label]["names"])
    except (KeyError, TypeError, ValueError):
        return []


def _beside(folder: Path, value: Any) -> Callable[[], Image.Image]:
    """Return the opener of an image: the path of a file, relative to the table, or its content."""
    if isinstance(value, dict):
        value = value.get("bytes") or value.get("path")
    source = folder / value if isinstance(value, str) else value or b""
    return partial(open_image, source, enough=ENOUGH)


#: Readers of tables by the ending of the file's name.
READERS = {".csv": _csv, ".jsonl": _jsonl, ".parquet": _parquet}


# WebDataset


def _archives(path: Path) -> Iterator[Row]:
    paths = sorted(path.glob("*.tar") if path.is_dir() else path.parent.glob(path.name))
    if not paths:
        raise ImageError(f"There are no archives at “{path}”.")
    names = _names_beside(paths[0].parent)
    for archive in paths:
        yield from _samples(archive, names)


def _names_beside(folder: Path) -> list[str]:
    found = next((place / CLASSES for place in (folder, folder.parent) if (place / CLASSES).is_file()), None)
    return found.read_text(encoding="utf-8").splitlines() if found else []


def _samples(archive: Path, names: Sequence[str]) -> Iterator[Row]:
    """Yield the samples of an uncompressed archive: files of one name up to its first dot belong together."""
    samples: dict[str, dict[str, tarfile.TarInfo]] = {}
    with tarfile.open(archive, "r:") as opened:
        for member in opened:
            if member.isfile():
                folder, _, file = member.name.rpartition("/")
                key, _, ending = file.partition(".")
                samples.setdefault(f"{folder}/{key}", {})[ending.lower()] = member
        for key, files in samples.items():
            image = next((member for ending, member in files.items() if f".{ending}" in SUFFIXES), None)
            if image is None:
                continue
            texts = {ending: _text(opened, files[ending]) for ending in ("cls", "txt", "json") if ending in files}
            described = json.loads(texts.get("json", "{}"))
            label = texts.get("cls") or str(described.get(_column(list(described), LABELS) or "", ""))
            if label.isdigit() and int(label) < len(names):
                label = names[int(label)]
            captions = _texts([texts.get("txt"), described.get(_column(list(described), CAPTIONS) or "")])
            load = partial(_member, archive, image.offset_data, image.size, image.name)
            yield Row(f"{archive.name}{'' if key.startswith('/') else '/'}{key}", load, label, captions)


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = archive.extractfile(member)
    return file.read().decode("utf-8", errors="replace").strip() if file else ""


def _member(archive: Path, offset: int, size: int, name: str) -> Image.Image:
    with archive.open("rb") as file:
        file.seek(offset)
        return open_image(file.read(size), name=name, enough=ENOUGH)
