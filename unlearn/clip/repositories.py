"""Download of files from a hub's repositories, with pinned commits, allowed names and size limits. No code is run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

import huggingface_hub
from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

from unlearn.errors import ModelError

#: ORG/REPO as a hub allows it, so that no name can refer to a path outside the hub.
NAME = r"[A-Za-z0-9](?:[\w.-]*\w)?/[A-Za-z0-9](?:[\w.-]*\w)?"
#: Repositories without an organisation in their name, from the hub's early days; open_clip's architectures use them.
WITHOUT_ORGANISATION = ("bert-base-uncased", "roberta-base", "xlm-roberta-base", "xlm-roberta-large")
#: Reviewed commits; a repository in this table is loaded at its commit only.
PINNED = {
    "laion/CLIP-ViT-B-32-laion2B-s34B-b79K": "1a25a446712ba5ee05982a381eed697ef9b435cf",
    "timm/vit_large_patch14_clip_224.openai": "18d0535469bb561bf468d76c1d73aa35156c922b",
    "laion/CLIP-ViT-H-14-laion2B-s32B-b79K": "1c2b8495b28150b8a4922ee1c8edee224c284c0c",
    "apple/MobileCLIP-S1-OpenCLIP": "59d35241939f6942255489b83c9068e48ebf57f8",
}
#: Size limit of each kind of file, in bytes: configurations are read whole, weights may take up to 12 GB.
LARGEST = {".json": 2**20, ".safetensors": 16 * 2**30}
TOKENIZER_LARGEST = 64 * 2**20


class Files(Protocol):
    """Files found by name, in a repository or in a folder."""

    name: str

    def fetch(self, *names: str) -> Path:
        """Return the first of ``names`` that exists; raise ModelError if none does."""

    def find(self, *names: str) -> Path | None:
        """Return the first of ``names`` that exists; None if none does."""


class Folder:
    """A local folder."""

    def __init__(self, path: Path) -> None:
        self.name, self._path = str(path), path

    def fetch(self, *names: str) -> Path:
        found = self.find(*names)
        if found is None:
            raise ModelError(f"The folder “{self.name}” holds no {' or '.join(names)}.")
        return found

    def find(self, *names: str) -> Path | None:
        return next((path for name in names if (path := self._path / name).is_file()), None)


class Repository:
    """A repository at one commit: the pinned commit, or the newest one when its first file is fetched."""

    def __init__(self, name: str, commit: str | None = None) -> None:
        """Create a reference to a repository, optionally at ``commit``; nothing is fetched.

        Raises:
            ModelError: ``name`` is not ORG/REPO.
        """
        if not re.fullmatch(NAME, name, re.ASCII) and name not in WITHOUT_ORGANISATION:
            raise ModelError(f"“{name[:100]}” is no repository of a hub; it must be ORG/REPO.")
        self.name = name
        self._commit = commit or PINNED.get(name)

    def fetch(self, *names: str) -> Path:
        """Return the local copy of the first of ``names`` that the repository contains.

        Raises:
            ModelError: the repository contains none of them, or the file exceeds the size limit.
            Others: any error of huggingface_hub if no hub can be reached.
        """
        found, unreachable = self._first(names)
        if found is None:
            if unreachable is not None:
                raise unreachable
            only = " Only safetensors are loaded, no pickles." if names[0].endswith(".safetensors") else ""
            raise ModelError(f"The repository “{self.name}” holds no {' or '.join(names)}.{only}")
        return found

    def find(self, *names: str) -> Path | None:
        """Return the same; None if the repository contains none of ``names``, or if that is unknown offline."""
        return self._first(names)[0]

    def _first(self, names: tuple[str, ...]) -> tuple[Path | None, LocalEntryNotFoundError | None]:
        unreachable = None
        for name in names:
            try:
                there = huggingface_hub.hf_hub_download(self.name, name, revision=self._commit, dry_run=True)
                require_size(name, there.file_size or 0)
                path = Path(huggingface_hub.hf_hub_download(self.name, name, revision=there.commit_hash))
            except RemoteEntryNotFoundError:
                continue
            except LocalEntryNotFoundError as error:  # another of the names may be in the local cache
                unreachable = error
                continue
            require_size(name, path.stat().st_size)
            self._commit = there.commit_hash
            return path, None
        return None, unreachable


def require_size(name: str, size: int) -> None:
    """Raise unless a file called ``name`` may have ``size`` bytes.

    Raises:
        ModelError: the file is too large.
    """
    largest = TOKENIZER_LARGEST if name == "tokenizer.json" else LARGEST[Path(name).suffix]
    if size > largest:
        raise ModelError(f"{name} has {size:,} bytes; at most {largest:,} are read.")
