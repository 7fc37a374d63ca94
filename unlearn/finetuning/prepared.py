"""Activations of the frozen layers, computed once per image and text: the inputs of the trained layers."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from unlearn.caching import ObjectCache
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.data.gallery import Gallery
from unlearn.finetuning.trainable import Trainable
from unlearn.jobs import Progress

CHUNK = 32


def encoding(done: int, total: int) -> Progress:
    """Return the progress of a run that has encoded ``done`` of ``total`` images."""
    return Progress(done, total, f"Encoding pictures: {done} of {total}.")


@dataclass(frozen=True)
class PreparedImages:
    """Tensors for the images of ``gallery`` that stay constant while training, one row per image, on the CPU.

    Attributes:
        kept: inputs of the trained part, (n, …); no rows if these are the images themselves, which are decoded again
            for every batch instead of being kept.
        original: the unedited model's embeddings, (n, embed_dim).
    """

    gallery: Gallery
    kept: Tensor
    original: Tensor


@dataclass(frozen=True)
class PreparedTexts:
    """Tensors for texts that stay constant while training, one row per text, on the CPU.

    Attributes:
        inputs: inputs of the trained part, (n, …).
        original: the unedited model's embeddings, (n, embed_dim).
    """

    inputs: Tensor
    original: Tensor


@dataclass(frozen=True, eq=False)
class Frozen:
    """The frozen part of ``trainable``, a copy of ``encoder``'s model, in one arithmetic precision.

    Prepared tensors are cached as long as encoder and images exist, and shared by all runs that train the same parts.
    They must be prepared before training begins, because the same pass gives the original model's embeddings.
    """

    encoder: OpenClipEncoder
    trainable: Trainable
    precision: str

    @property
    def _key(self) -> str:
        return f"{type(self.trainable).__name__} {self.precision}"

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the autocast context in which both towers run."""
        return torch.autocast(self.encoder.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def images(self, galleries: Sequence[Gallery]) -> Generator[Progress, None, list[PreparedImages]]:
        """Prepare all images of ``galleries``; yields progress after every chunk."""
        known = _images.setdefault(self.encoder, WeakKeyDictionary())
        missing = [gallery for gallery in galleries if self._key not in known.get(gallery, {})]
        total, done = sum(map(len, missing)), 0
        for gallery in missing:
            kept, original = [], []
            for start in range(0, len(gallery), CHUNK):
                chunk = gallery.images[start : start + CHUNK]
                with torch.no_grad(), self.autocast():
                    ready = self.trainable.prepare_images(self.encoder.pixels([image.load() for image in chunk]))
                    original.append(self.trainable.image_features(ready).cpu())
                if self.trainable.keeps_images:
                    kept.append(ready.cpu())
                done += len(chunk)
                yield encoding(done, total)
            rows = torch.cat(kept) if kept else torch.empty(0)
            known.setdefault(gallery, {})[self._key] = rows, torch.cat(original)
        return [PreparedImages(gallery, *known[gallery][self._key]) for gallery in galleries]

    def image_inputs(self, places: Sequence[tuple[PreparedImages, int]]) -> Tensor:
        """Return the inputs of the trained part for the images at ``places``, (n, …) on the encoder's device."""
        if not self.trainable.keeps_images:
            return self.encoder.pixels([prepared.gallery.images[i].load() for prepared, i in places])
        return torch.stack([prepared.kept[i] for prepared, i in places]).to(self.encoder.device)

    def texts(self, texts: Sequence[str]) -> PreparedTexts:
        """Prepare ``texts``; texts that an earlier run prepared come from the cache."""
        prepared = _texts.get_all(self.encoder, [(self._key, text) for text in texts], self._prepare_texts)
        inputs, originals = zip(*prepared, strict=True)
        return PreparedTexts(torch.stack(inputs), torch.stack(originals))

    def _prepare_texts(self, missing: Sequence[tuple[str, str]]) -> list[tuple[Tensor, Tensor]]:
        rows: list[tuple[Tensor, Tensor]] = []
        for start in range(0, len(missing), 8 * CHUNK):
            tokens = self.encoder.tokenizer([text for _, text in missing[start : start + 8 * CHUNK]])  # type: ignore[operator]
            with torch.no_grad(), self.autocast():
                ready = self.trainable.prepare_texts(tokens.to(self.encoder.device))
                original = self.trainable.text_features(ready)
            rows += zip(ready.cpu(), original.cpu(), strict=True)
        return rows


#: Tensors of each gallery, without a reference to the gallery, which would keep it alive.
_images: WeakKeyDictionary[OpenClipEncoder, WeakKeyDictionary[Gallery, dict[str, tuple[Tensor, Tensor]]]] = (
    WeakKeyDictionary()
)
#: A text's states take 30 to 230 kB, depending on the model; a run with more texts than this prepares the rest itself.
_texts: ObjectCache[tuple[Tensor, Tensor]] = ObjectCache(most=4096)
