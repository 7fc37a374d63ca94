"""The frozen part of the work, done once: what each picture and text is where the trained weights begin."""

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
from unlearn.data.gallery import Gallery, Picture
from unlearn.finetuning.trainable import Trainable
from unlearn.jobs import Progress

CHUNK = 32


def encoding(done: int, total: int) -> Progress:
    """Returns the progress of a run that has encoded ``done`` of ``total`` pictures."""
    return Progress(done, total, f"Encoding pictures: {done} of {total}.")


@dataclass(frozen=True)
class PreparedPictures:
    """What of the pictures of ``gallery`` does not change while training, one row a picture, on the CPU.

    Attributes:
        kept: what the trained part starts from, (n, …); no rows where that is the picture itself: it is decoded again
            for every batch rather than kept.
        original: the unedited model's embeddings, (n, embed_dim).
    """

    gallery: Gallery
    kept: Tensor
    original: Tensor


@dataclass(frozen=True)
class PreparedTexts:
    """What of texts does not change while training, one row a text, on the CPU.

    Attributes:
        inputs: what the trained part starts from, (n, …).
        original: the unedited model's embeddings, (n, embed_dim).
    """

    inputs: Tensor
    original: Tensor


@dataclass(frozen=True, eq=False)
class Frozen:
    """The frozen part of ``trainable``, a copy of ``encoder``'s model, in one arithmetic precision.

    What it prepares is remembered as long as encoder and pictures live, and shared by all runs that train the same
    parts. It must be asked before training begins: the original's embeddings come from the same pass.
    """

    encoder: OpenClipEncoder
    trainable: Trainable
    precision: str

    @property
    def _key(self) -> str:
        return f"{type(self.trainable).__name__} {self.precision}"

    def autocast(self) -> AbstractContextManager[Any]:
        """The arithmetic to run either tower in."""
        return torch.autocast(self.encoder.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def pictures(self, galleries: Sequence[Gallery]) -> Generator[Progress, None, list[PreparedPictures]]:
        """Prepare all pictures of ``galleries``, reporting after every few."""
        known = _pictures.setdefault(self.encoder, WeakKeyDictionary())
        missing = [gallery for gallery in galleries if self._key not in known.get(gallery, {})]
        total, done = sum(map(len, missing)), 0
        for gallery in missing:
            kept, original = [], []
            for start in range(0, len(gallery), CHUNK):
                chunk = gallery.pictures[start : start + CHUNK]
                with torch.no_grad(), self.autocast():
                    ready = self.trainable.prepare_images(self.pixels(chunk))
                    original.append(self.trainable.image_features(ready).cpu())
                if self.trainable.keeps_images:
                    kept.append(ready.cpu())
                done += len(chunk)
                yield encoding(done, total)
            rows = torch.cat(kept) if kept else torch.empty(0)
            known.setdefault(gallery, {})[self._key] = rows, torch.cat(original)
        return [PreparedPictures(gallery, *known[gallery][self._key]) for gallery in galleries]

    def image_inputs(self, places: Sequence[tuple[PreparedPictures, int]]) -> Tensor:
        """What the trained part starts from for the pictures at ``places``, (n, …) on the encoder's device."""
        if not self.trainable.keeps_images:
            return self.pixels([prepared.gallery.pictures[i] for prepared, i in places])
        return torch.stack([prepared.kept[i] for prepared, i in places]).to(self.encoder.device)

    def texts(self, texts: Sequence[str]) -> PreparedTexts:
        """Prepare ``texts``; those that any run has asked for before cost nothing."""
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

    def pixels(self, pictures: Sequence[Picture]) -> Tensor:
        """Decode and preprocess: (n, 3, height, width) on the encoder's device."""
        pixels = self.encoder.pixels([picture.load() for picture in pictures])
        # Channels last: convolutions on a CPU are a third faster so, in bfloat16 thirty times.
        return pixels.to(self.encoder.device, memory_format=torch.channels_last)


#: Without their gallery, which they would keep alive.
_pictures: WeakKeyDictionary[OpenClipEncoder, WeakKeyDictionary[Gallery, dict[str, tuple[Tensor, Tensor]]]] = (
    WeakKeyDictionary()
)
_texts: ObjectCache[tuple[Tensor, Tensor]] = ObjectCache(most=50_000)
