"""Reading of image folders: which files are images, which subfolders are classes, and which only look like them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from unlearn.data.images import SUFFIXES, count_in_words, open_image
from unlearn.errors import ImageError

#: Files and folders created by systems and programs; like names with a leading dot, they are neither classes nor
#: images.
NOT_PEOPLES = frozenset(
    ("__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found", "__pycache__")
)
SPLITS = frozenset(("train", "training", "test", "testing", "val", "valid", "validation", "dev", "eval"))
#: Class names without meaning for CLIP: numbers, with or without "class", and WordNet offsets.
NO_WORD = re.compile(r"(class|label|category|c|n)?[\W_]*\d+|[\W\d_]+", re.IGNORECASE)
LISTED = 20


@dataclass(frozen=True)
class Classes:
    """The content of an ImageFolder on disk.

    Attributes:
        files: (class, image) of every readable image.
        skipped: files named like images that cannot be read, and hidden folders: relative path to reason.
        notices: sentences for the user about the folder.
    """

    files: Sequence[tuple[str, Path]]
    skipped: Mapping[str, str] = field(default_factory=dict)
    notices: Sequence[str] = ()


def is_hidden(name: str) -> bool:
    """Return True if a file or folder of this name belongs to a system or a program."""
    return name.startswith(".") or name.casefold() in NOT_PEOPLES


def images_under(root: Path, skipped: dict[str, str] | None = None, base: Path | None = None) -> Iterator[Path]:
    """Iterate in order over the files under ``root`` named like images; put what is left out into ``skipped``."""
    left_out, base = {} if skipped is None else skipped, base or root

    def unreadable(error: OSError) -> None:
        left_out[_relative(Path(error.filename), base)] = f"cannot be opened ({error.strerror})"

    for folder, subfolders, names in os.walk(root, onerror=unreadable):
        for name in sorted(filter(is_hidden, subfolders)):
            left_out[_relative(Path(folder, name), base)] = "a hidden folder"
        subfolders[:] = sorted(name for name in subfolders if not is_hidden(name))
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix.lower() in SUFFIXES:
                if is_hidden(name):
                    left_out[_relative(path, base)] = "a hidden file, not a picture"
                else:
                    yield path


def read_classes(folder: str | Path) -> Classes:
    """Read the images of an ImageFolder, one subfolder per class, with ``_`` and ``-`` in its name read as spaces.

    Every image is decoded once, a JPEG at an eighth of its size, to find those that can be read.

    Raises:
        ImageError: the folder does not exist, its subfolders are splits of a data set, or no image can be read.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ImageError(f"“{folder}” is not a folder; give one with a subfolder of pictures for every class.")
    subfolders = sorted(path for path in root.iterdir() if path.is_dir())
    skipped = {path.name: "a hidden folder" for path in subfolders if is_hidden(path.name)}
    spelled: dict[str, str] = {}
    found: dict[str, list[Path]] = {}
    notices: list[str] = []
    for sub in (path for path in subfolders if not is_hidden(path.name)):
        concept = class_name(sub.name)
        first = spelled.setdefault(concept.casefold(), concept)
        if first != concept:
            notices.append(f"“{first}” and “{concept}” are read as one class.")
        paths = list(images_under(sub, skipped, root))
        _require_no_splits(root, sub, paths, notices)
        found.setdefault(first, []).extend(paths)
    files = [(concept, path) for concept, paths in found.items() for path in paths]
    with ThreadPoolExecutor() as pool:
        reasons = list(pool.map(lambda entry: _unreadable(entry[1]), files))
    skipped |= {_relative(path, root): why for (_, path), why in zip(files, reasons, strict=True) if why}
    kept = [entry for entry, why in zip(files, reasons, strict=True) if not why]
    if not kept:
        raise ImageError(_nothing_in(folder, root, skipped))
    shown = {concept for concept, _ in kept}
    if empty := [concept for concept in found if concept not in shown]:
        notices.append(f"No picture in {_named(empty)}: not offered as a label.")
    if unspeaking := [concept for concept in found if NO_WORD.fullmatch(concept)]:
        notices.append(
            f"The class names {_named(unspeaking)} are no words, and CLIP reads words: rename the folders to what "
            "their pictures show, or the accuracy says nothing."
        )
    return Classes(kept, skipped, tuple(notices))


def class_name(folder: str) -> str:
    """Return the class name for a folder of this name."""
    return " ".join(folder.replace("_", " ").replace("-", " ").split())


def skipped_in_words(skipped: Mapping[str, str], most: int = LISTED) -> list[str]:
    """Return a line for each of the first ``most`` skipped files, and one with the number of all of them."""
    if not skipped:
        return []
    lines = [f"skipped {path}: {why}" for path, why in list(skipped.items())[:most]]
    if len(skipped) > most:
        lines.append(f"… and {len(skipped) - most:,} more")
    return [*lines, f"{len(skipped):,} skipped."]


def _require_no_splits(root: Path, sub: Path, paths: Sequence[Path], notices: list[str]) -> None:
    """Raise if ``sub`` is a split with class folders in it; add a notice if it contains folders for another reason."""
    inner = list(dict.fromkeys(path.relative_to(sub).parts[0] for path in paths if path.parent != sub))
    if len(inner) < 2 or any(path.parent == sub for path in paths):
        return
    if sub.name.casefold() in SPLITS:
        raise ImageError(
            f"“{sub.name}” in “{root}” holds folders of its own ({_named(inner)}): it is a split of a data set and no "
            f"class. Give it by itself: {sub}"
        )
    notices.append(f"“{sub.name}” holds folders of its own ({_named(inner)}); all in them counts as “{sub.name}”.")


def _unreadable(path: Path) -> str:
    try:
        open_image(path, enough=1)
    except ImageError as error:
        return str(error)
    return ""


def _nothing_in(folder: str | Path, root: Path, skipped: Mapping[str, str]) -> str:
    wanted = f"it needs one subfolder a class, with pictures ({', '.join(sorted(SUFFIXES))}) in it."
    if any(path.suffix.lower() in SUFFIXES for path in root.iterdir() if path.is_file()):
        wanted = f"those it has lie in no subfolder, and {wanted}"
    unread = [why for why in skipped.values() if not why.startswith("a hidden")]
    damaged = f" {count_in_words(len(unread))} cannot be read." if unread else ""
    return f"No pictures in “{folder}”: {wanted}{damaged}"


def _named(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(f"“{name}”" for name in names[:most]) + more


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root))
