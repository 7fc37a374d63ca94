"""Encoders that embed each text, and each collection of images, once: the embeddings are kept as long as both live."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from functools import cached_property
from typing import Protocol, Self

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from unlearn.caching import Cache, ObjectCache
from unlearn.concepts.prompts import prompts
from unlearn.progress import run_to_end

#: Number of images that are decoded before they are encoded.
IMAGES_AT_ONCE = 32
#: The embeddings of a collection are cached as a whole.
WHOLE = "whole"
#: A name and its prompt templates.
ClassKey = tuple[str, tuple[str, ...]]


class LoadsImage(Protocol):
    """An image that is decoded on demand."""

    @property
    def load(self) -> Callable[[], Image.Image]: ...


class ImageCollection(Protocol):
    """An ordered collection of images, compared by identity: its embeddings are cached as long as it lives."""

    @property
    def images(self) -> Sequence[LoadsImage]: ...

    @property
    def parts(self) -> Sequence[ImageCollection]:
        """The collections that it was joined from, if it was."""


#: Callback with the number of encoded images and their total.
Watch = Callable[[int, int], object]


class CachingEncoder(ABC):
    """Base of encoders that cache their embeddings; subclasses define :meth:`encode_text` and :meth:`encode_image`."""

    @abstractmethod
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """See :class:`TextImageEncoder`."""

    @abstractmethod
    def encode_image(self, images: Sequence[Image.Image]) -> Tensor:
        """See :class:`TextImageEncoder`."""

    def text_features(self, names: Sequence[str], templates: Sequence[str]) -> Tensor:
        """See :class:`TextImageEncoder`."""

        def compute(missing: list[ClassKey]) -> Sequence[Tensor]:
            texts = [prompt for name, _ in missing for prompt in prompts(name, templates)]
            features = self.encode_text(texts).view(len(missing), len(templates), -1)
            return F.normalize(features.mean(dim=1), dim=-1).unbind()

        return torch.stack(self._text_features.get_all(_keys(names, templates), compute))

    def keep_text_features(self, names: Sequence[str], templates: Sequence[str], features: Tensor) -> None:
        """Cache a classifier (n, embed_dim) that was computed earlier with the same weights."""
        rows = dict(zip(_keys(names, templates), features, strict=True))
        self._text_features.get_all(list(rows), lambda missing: [rows[key] for key in missing])

    def image_features(
        self, collection: ImageCollection, *, progress: bool = False, watch: Watch | None = None
    ) -> Tensor:
        """See :class:`TextImageEncoder`."""

        def compute() -> Tensor:
            if parts := [part for part in collection.parts if part.images]:
                return torch.cat([self.image_features(part, progress=progress, watch=watch) for part in parts])
            total = len(collection.images)
            with tqdm(total=total, desc="encoding images", unit="image", disable=not progress) as bar:

                def show(done: int) -> None:
                    bar.update(done - bar.n)
                    if watch:
                        watch(done, total)

                return run_to_end(self._encoded(collection), show)

        return self._image_features.get(collection, WHOLE, compute)

    def prepare_image_features(self, collection: ImageCollection) -> Generator[int, None, Tensor]:
        """Return the result of :meth:`image_features`; yields the number of encoded images unless it is cached."""
        features = self._image_features.find(collection, WHOLE)
        if features is None:
            features = yield from self._encoded(collection)
            self.keep_image_features(collection, features)
        return features

    def has_image_features(self, collection: ImageCollection) -> bool:
        """Return whether the embeddings of ``collection`` are cached."""
        return self._image_features.find(collection, WHOLE) is not None

    def keep_image_features(self, collection: ImageCollection, features: Tensor) -> None:
        """Cache embeddings (n, embed_dim) of ``collection`` that were computed elsewhere with the same weights."""
        self._image_features.get(collection, WHOLE, lambda: features)

    def _encoded(self, collection: ImageCollection) -> Generator[int, None, Tensor]:
        rows, images = [], collection.images
        for start in range(0, len(images), IMAGES_AT_ONCE):
            batch = images[start : start + IMAGES_AT_ONCE]
            rows.append(self.encode_image([image.load() for image in batch]))
            yield start + len(batch)
        return torch.cat(rows)

    @property
    def edits(self) -> tuple[()]:
        """The empty tuple: the encoder is unedited."""
        return ()

    @property
    def unedited(self) -> Self:
        """The encoder itself."""
        return self

    @cached_property
    def _text_features(self) -> Cache[Tensor]:
        """Text embeddings by name and templates: a few thousand rows, or more for a larger vocabulary."""
        return Cache(most=8192, grows=True)

    @cached_property
    def _image_features(self) -> ObjectCache[Tensor]:
        """Image embeddings by collection, dropped together with the collection only."""
        return ObjectCache(most=1)


def _keys(names: Sequence[str], templates: Sequence[str]) -> list[ClassKey]:
    return [(name, tuple(templates)) for name in names]
