"""Collections of labelled images: the bundled gallery, folders with one subfolder per class, and visitors' uploads."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from unlearn.caching import Cache, ObjectCache
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.concepts.prompts import TEMPLATES, VERBATIM
from unlearn.concepts.selection import load_vocabulary
from unlearn.data.folders import read_classes, skipped_in_words
from unlearn.data.images import open_image
from unlearn.errors import ImageError
from unlearn.files.assets import ASSETS
from unlearn.files.schemas import InnerPath, RefusedError, Schema, ShortText, TensorFile, check, parse_json
from unlearn.files.writing import sha256_of

BUNDLED = ASSETS / "gallery" / "gallery.zip"
SHIPPED_FEATURES = ASSETS / "gallery" / "features.safetensors"
#: Shortest side to which a folder's images are decoded: above the input size of any CLIP, yet small for a photograph.
ENOUGH = 768


@dataclass(frozen=True)
class GalleryImage:
    """A labelled image; ``load`` decodes it to RGB on demand."""

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
    """An ordered collection of images, with notices from reading it, as sentences.

    A collection joined from others has them as ``parts``: their embeddings are its own.
    """

    name: str
    images: tuple[GalleryImage, ...]
    notices: tuple[str, ...] = ()
    parts: tuple[Gallery, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[GalleryImage]:
        return iter(self.images)

    @cached_property
    def concepts(self) -> tuple[str, ...]:
        """The class names, each once, in order of appearance."""
        return tuple(dict.fromkeys(image.concept for image in self.images))

    @cached_property
    def captions(self) -> tuple[str, ...]:
        return tuple(image.caption for image in self.images)

    @property
    def distinct_captions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.captions))

    @cached_property
    def test(self) -> Gallery:
        """The images that neither a model nor an eraser was trained on."""
        return self.where(lambda image: image.split == "test")

    @cached_property
    def train(self) -> Gallery:
        """The images on which erasers may be fine-tuned."""
        return self.where(lambda image: image.split == "train")

    @cached_property
    def ranks(self) -> ObjectCache[Tensor]:
        """Cached results of :func:`unlearn.evaluation.zero_shot.evaluate_zero_shot`, by labels and templates."""
        return ObjectCache(most=4)

    def after(self, first: Gallery) -> Gallery:
        """Return the images of ``first`` and then of this gallery, as the same value each time."""
        name = f"{first.name} and {self.name}"
        return self._joined.get(first, lambda: Gallery(name, (*first.images, *self.images), parts=(first, self)))

    @cached_property
    def _joined(self) -> Cache[Gallery]:
        return Cache(most=2)

    def where(self, wanted: Callable[[GalleryImage], bool]) -> Gallery:
        """Return the images for which ``wanted`` is true."""
        return Gallery(self.name, tuple(image for image in self.images if wanted(image)))

    def targets(self, classnames: Sequence[str]) -> Tensor:
        """Return each image's index into ``classnames``, (n,), int64; −1 if its concept is not among them."""
        index = {name.casefold(): i for i, name in enumerate(classnames)}
        return torch.tensor([index.get(image.concept.casefold(), -1) for image in self.images], dtype=torch.long)


@lru_cache(maxsize=4)
def bundled_gallery(path: Path = BUNDLED) -> Gallery:
    """Load the gallery that ships with the app: a zip with ``metadata.jsonl`` in Hugging Face's imagefolder format."""
    try:
        lines = _archive(path).read("metadata.jsonl").splitlines()
        entries = [check(_Entry, parse_json(line)) for line in lines if line]
        if missing := {entry.file_name for entry in entries} - set(_archive(path).namelist()):
            raise RefusedError(f"“{min(missing)}” is not in it")
    except (OSError, zipfile.BadZipFile, KeyError, RefusedError) as error:
        raise ImageError(f"The gallery “{path}” is damaged or was not fetched: {error}.") from error
    return Gallery(
        "bundled",
        tuple(
            GalleryImage(load=_zip_loader(path, entry.file_name), **entry.model_dump(exclude={"file_name"}))
            for entry in entries
        ),
    )


class _Entry(Schema):
    """A line of the bundled gallery's ``metadata.jsonl``."""

    file_name: InnerPath
    concept: ShortText
    caption: ShortText
    split: Literal["train", "test"]
    style: ShortText
    licence: ShortText
    source: ShortText
    author: ShortText


def _zip_loader(path: Path, member: str) -> Callable[[], Image.Image]:
    return lambda: open_image(_archive(path).read(member), name=member)


@lru_cache(maxsize=4)
def _archive(path: Path) -> zipfile.ZipFile:
    """Open an archive once and keep it open: reading its table of contents takes longer than reading an image."""
    return zipfile.ZipFile(path)


def folder_gallery(folder: str | Path) -> Gallery:
    """Load an ImageFolder: one subfolder per class, with ``_`` and ``-`` in its name read as spaces.

    Files that cannot be read are left out and listed in :attr:`Gallery.notices`.

    Raises:
        ImageError: the folder does not exist, its subfolders are not classes, or no image in them can be read.
    """
    read = read_classes(folder)
    return Gallery(
        Path(folder).resolve().name,
        tuple(
            GalleryImage(concept, f"a picture of a {concept}", partial(open_image, path, enough=ENOUGH))
            for concept, path in read.files
        ),
        (*read.notices, *skipped_in_words(read.skipped)),
    )


def save_features(encoder: OpenClipEncoder, path: Path = SHIPPED_FEATURES) -> None:
    """Write the embeddings of the bundled images, captions and words, so that a new app need not compute them."""
    gallery, vocabulary = bundled_gallery(), load_vocabulary()
    tensors = {
        "test": encoder.image_features(gallery.test, progress=True),
        "train": encoder.image_features(gallery.train, progress=True),
        "classes": encoder.text_features(vocabulary.names, vocabulary.templates),
        "captions": encoder.text_features(gallery.test.distinct_captions, VERBATIM),
    }
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, _fingerprint(encoder))


def restore_features(encoder: OpenClipEncoder, path: Path = SHIPPED_FEATURES) -> bool:
    """Add the embeddings in ``path`` to the cache of ``encoder``; return False if they belong to other weights.

    Embeddings ship with the embedded model only, so the weights of other models are not hashed.

    Raises:
        ImageError: the file is damaged.
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
        raise ImageError(
            f"“{path}” is damaged ({error}). Get it again, or delete it: the pictures are then encoded at every start."
        ) from error
    encoder.keep_image_features(gallery.test, features["test"])
    encoder.keep_image_features(gallery.train, features["train"])
    encoder.keep_text_features(vocabulary.names, vocabulary.templates, features["classes"])
    encoder.keep_text_features(gallery.test.distinct_captions, VERBATIM, features["captions"])
    return True


def _fingerprint(encoder: OpenClipEncoder) -> dict[str, str]:
    """Return hashes of the inputs of the shipped embeddings: weights, images, words."""
    return {
        "weights": encoder.sha256,
        "gallery": sha256_of(BUNDLED),
        "vocabulary": hashlib.sha256(json.dumps([load_vocabulary().names, TEMPLATES]).encode()).hexdigest(),
    }
