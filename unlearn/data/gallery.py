"""Collections of labelled pictures: the bundled gallery, any folder with one subfolder a class, a visitor's uploads."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from unlearn.caching import ObjectCache
from unlearn.clip.encoders import EditedEncoder, OpenClipEncoder, TextImageEncoder, class_embeddings, remember_classes
from unlearn.concepts.selection import TEMPLATES, VERBATIM, load_vocabulary
from unlearn.data.folders import read_classes, skipped_in_words
from unlearn.data.images import open_image
from unlearn.errors import PictureError
from unlearn.files.assets import ASSETS
from unlearn.files.schemas import InnerPath, RefusedError, Schema, TensorFile, Text, check, parse_json
from unlearn.jobs import run_to_end

BUNDLED = ASSETS / "gallery" / "gallery.zip"
SHIPPED_FEATURES = ASSETS / "gallery" / "features.safetensors"
#: A collection's embeddings are remembered as a whole.
WHOLE = "whole"
#: Shortest side that a folder's pictures are decoded to: more than any CLIP looks at, and of a photograph a small part.
ENOUGH = 768


@dataclass(frozen=True)
class Picture:
    """One labelled picture; ``load`` decodes it to RGB when it is wanted."""

    concept: str
    caption: str
    load: Callable[[], Image.Image]
    split: str = "test"
    style: str = ""
    licence: str = ""
    source: str = ""
    author: str = ""


@dataclass(frozen=True, eq=False)
class Gallery:
    """An ordered collection of pictures, and what was noticed when it was read, as sentences."""

    name: str
    pictures: tuple[Picture, ...]
    notices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[Picture]:
        return iter(self.pictures)

    @cached_property
    def concepts(self) -> tuple[str, ...]:
        """The class names, each once, in order of appearance."""
        return tuple(dict.fromkeys(picture.concept for picture in self.pictures))

    @cached_property
    def captions(self) -> tuple[str, ...]:
        return tuple(picture.caption for picture in self.pictures)

    @property
    def distinct_captions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.captions))

    @cached_property
    def test(self) -> Gallery:
        """The pictures that no model and no eraser was trained on."""
        return self.where(lambda picture: picture.split == "test")

    @cached_property
    def train(self) -> Gallery:
        """The pictures that erasers may be fine-tuned on."""
        return self.where(lambda picture: picture.split == "train")

    @cached_property
    def features(self) -> ObjectCache[Tensor]:
        """What :func:`image_features` computed: gone when the pictures or the model are, displaced by no others."""
        return ObjectCache(most=1)

    @cached_property
    def ranks(self) -> ObjectCache[Tensor]:
        """What :func:`unlearn.evaluation.zero_shot.evaluate_zero_shot` computed, by labels and templates."""
        return ObjectCache(most=4)

    def where(self, wanted: Callable[[Picture], bool]) -> Gallery:
        """The pictures for which ``wanted`` holds."""
        return Gallery(self.name, tuple(picture for picture in self.pictures if wanted(picture)))

    def targets(self, classnames: Sequence[str]) -> Tensor:
        """Index into ``classnames`` of every picture's concept, (n,), int64; −1 where it is not among them."""
        index = {name.casefold(): i for i, name in enumerate(classnames)}
        return torch.tensor([index.get(picture.concept.casefold(), -1) for picture in self.pictures], dtype=torch.long)


@lru_cache(maxsize=4)
def bundled_gallery(path: Path = BUNDLED) -> Gallery:
    """The gallery that ships with the app: a zip with ``metadata.jsonl``, as Hugging Face's imagefolder reads it."""
    try:
        lines = _archive(path).read("metadata.jsonl").splitlines()
        entries = [check(_Entry, parse_json(line)) for line in lines if line]
        if missing := {entry.file_name for entry in entries} - set(_archive(path).namelist()):
            raise RefusedError(f"“{min(missing)}” is not in it")
    except (OSError, zipfile.BadZipFile, KeyError, RefusedError) as error:
        raise PictureError(f"The gallery “{path}” is damaged or was not fetched: {error}.") from error
    return Gallery(
        "bundled",
        tuple(
            Picture(load=_zip_loader(path, entry.file_name), **entry.model_dump(exclude={"file_name"}))
            for entry in entries
        ),
    )


class _Entry(Schema):
    """A line of the bundled gallery's ``metadata.jsonl``."""

    file_name: InnerPath
    concept: Text
    caption: Text
    split: Literal["train", "test"]
    style: Text
    licence: Text
    source: Text
    author: Text


def _zip_loader(path: Path, member: str) -> Callable[[], Image.Image]:
    return lambda: open_image(_archive(path).read(member), name=member)


@lru_cache(maxsize=4)
def _archive(path: Path) -> zipfile.ZipFile:
    """An archive that stays open: reading its table of contents takes longer than a picture does."""
    return zipfile.ZipFile(path)


def folder_gallery(folder: str | Path) -> Gallery:
    """Pictures of an ImageFolder: one subfolder a class, ``_`` and ``-`` in its name read as spaces.

    What cannot be read is left out and said in :attr:`Gallery.notices`.

    Raises:
        PictureError: there is no such folder, its subfolders are no classes, or no picture in them can be read.
    """
    read = read_classes(folder)
    return Gallery(
        Path(folder).resolve().name,
        tuple(
            Picture(concept, f"a picture of a {concept}", partial(open_image, path, enough=ENOUGH))
            for concept, path in read.files
        ),
        (*read.notices, *skipped_in_words(read.skipped)),
    )


def image_features(
    encoder: TextImageEncoder,
    gallery: Gallery,
    *,
    progress: bool = False,
    watch: Callable[[int, int], object] = lambda done, total: None,
) -> Tensor:
    """Embeddings of all pictures of ``gallery``, (n, embed_dim).

    Pictures are encoded once for every set of weights; a projection acts on the remembered embeddings. ``progress``
    shows a bar in the terminal, ``watch`` hears how many are done, of how many.
    """
    if isinstance(encoder, EditedEncoder):
        return encoder.edit_image(image_features(encoder.base, gallery, progress=progress, watch=watch))

    def compute() -> Tensor:
        with tqdm(total=len(gallery), desc="encoding pictures", unit="picture", disable=not progress) as bar:

            def show(done: int) -> None:
                bar.update(done - bar.n)
                watch(done, len(gallery))

            return run_to_end(_encoded(encoder, gallery), show)

    return gallery.features.get(encoder, WHOLE, compute)


def prepare_features(encoder: TextImageEncoder, gallery: Gallery) -> Generator[int, None, Tensor]:
    """Compute what :func:`image_features` looks up, and return it; reports how many pictures are done."""
    features = yield from _encoded(encoder, gallery)
    remember_features(encoder, gallery, features)
    return features


def _encoded(encoder: TextImageEncoder, gallery: Gallery) -> Generator[int, None, Tensor]:
    rows = []
    for start in range(0, len(gallery), 32):
        batch = gallery.pictures[start : start + 32]
        rows.append(encoder.encode_image([picture.load() for picture in batch]))
        yield start + len(batch)
    return torch.cat(rows)


def remember_features(encoder: TextImageEncoder, gallery: Gallery, features: Tensor) -> None:
    """Put embeddings of ``gallery`` that were computed in another way, (n, embed_dim), where they are looked up."""
    gallery.features.get(encoder, WHOLE, lambda: features)


def save_features(encoder: OpenClipEncoder, path: Path = SHIPPED_FEATURES) -> None:
    """Write what a fresh app would otherwise compute first: embeddings of the bundled pictures, captions and words."""
    gallery, vocabulary = bundled_gallery(), load_vocabulary()
    tensors = {
        "test": image_features(encoder, gallery.test, progress=True),
        "train": image_features(encoder, gallery.train, progress=True),
        "classes": class_embeddings(encoder, vocabulary.names, vocabulary.templates),
        "captions": class_embeddings(encoder, gallery.test.distinct_captions, VERBATIM),
    }
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, _fingerprint(encoder))


def restore_features(encoder: OpenClipEncoder, path: Path = SHIPPED_FEATURES) -> bool:
    """Remember the embeddings of ``path`` for ``encoder``; False, and nothing done, if they are of other weights.

    Only the embedded model ships embeddings: the weights of others are not hashed for nothing.

    Raises:
        PictureError: the file is damaged.
    """
    if encoder.name != "pocket" or not path.is_file():
        return False
    gallery, vocabulary = bundled_gallery(), load_vocabulary()
    rows = {
        "test": len(gallery.test),
        "train": len(gallery.train),
        "classes": len(vocabulary.names),
        "captions": len(gallery.test.distinct_captions),
    }
    try:
        file = TensorFile.open(path)
        if file.metadata != _fingerprint(encoder):
            return False
        if file.shapes != {name: (n, encoder.embed_dim) for name, n in rows.items()}:
            raise RefusedError("its tensors are of other shapes")
        features = file.load()
    except RefusedError as error:
        raise PictureError(
            f"“{path}” is damaged ({error}). Get it again, or delete it: the pictures are then encoded at every start."
        ) from error
    remember_features(encoder, gallery.test, features["test"])
    remember_features(encoder, gallery.train, features["train"])
    remember_classes(encoder, vocabulary.names, features["classes"], vocabulary.templates)
    remember_classes(encoder, gallery.test.distinct_captions, features["captions"], VERBATIM)
    return True


def _fingerprint(encoder: OpenClipEncoder) -> dict[str, str]:
    """What the shipped embeddings depend on: weights, pictures, words."""
    return {
        "weights": encoder.sha256,
        "gallery": hashlib.sha256(BUNDLED.read_bytes()).hexdigest(),
        "vocabulary": hashlib.sha256(json.dumps([load_vocabulary().names, TEMPLATES]).encode()).hexdigest(),
    }
