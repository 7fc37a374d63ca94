"""The frozen part of the work, done once: what each picture and text is where the trained weights begin."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from unlearn.caching import PerOwner
from unlearn.encoders import OpenClipEncoder
from unlearn.finetuning.trainable import AllWeights
from unlearn.gallery import Gallery, Picture

CHUNK = 32


@dataclass(frozen=True)
class Preparation:
    """How far the frozen part of the work is: pictures encoded, of all."""

    done: int
    total: int


@dataclass(frozen=True)
class Prepared:
    """What does not change while training, one row a picture or text, on the CPU.

    Attributes:
        inputs: what the trained part starts from, (n, …); None where that is the picture itself: it is decoded again
            for every batch rather than kept.
        original: the unedited model's embeddings, (n, embed_dim).
    """

    inputs: Tensor | None
    original: Tensor


@dataclass(frozen=True, eq=False)
class Frozen:
    """The frozen part of ``trainable``, a copy of ``encoder``'s model, in one arithmetic precision.

    What it prepares is remembered as long as encoder and pictures live, and shared by all runs that train the same
    parts. It must be asked before training begins: the original's embeddings come from the same pass.
    """

    encoder: OpenClipEncoder
    trainable: AllWeights
    precision: str

    @property
    def _key(self) -> str:
        return f"{type(self.trainable).__name__} {self.precision}"

    def autocast(self) -> AbstractContextManager[Any]:
        """The arithmetic to run either tower in."""
        return torch.autocast(self.encoder.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def pictures(self, galleries: Sequence[Gallery]) -> Generator[Preparation, None, list[Prepared]]:
        """Prepare all pictures of ``galleries``, reporting after every few."""
        known = _pictures.setdefault(self.encoder, WeakKeyDictionary())
        missing = [gallery for gallery in galleries if self._key not in known.get(gallery, {})]
        total, done = sum(map(len, missing)), 0
        for gallery in missing:
            inputs, original = [], []
            for start in range(0, len(gallery), CHUNK):
                chunk = gallery.pictures[start : start + CHUNK]
                with torch.no_grad(), self.autocast():
                    ready = self.trainable.prepare_images(self.pixels(chunk))
                    original.append(self.trainable.image_features(ready).cpu())
                if self.trainable.keeps_images:
                    inputs.append(ready.cpu())
                done += len(chunk)
                yield Preparation(done, total)
            prepared = Prepared(torch.cat(inputs) if inputs else None, torch.cat(original))
            known.setdefault(gallery, {})[self._key] = prepared
        return [known[gallery][self._key] for gallery in galleries]

    def texts(self, texts: Sequence[str]) -> Prepared:
        """Prepare ``texts``; those that any run has asked for before cost nothing."""
        prepared = _texts.get_all(self.encoder, [(self._key, text) for text in texts], self._prepare_texts)
        inputs, originals = zip(*prepared, strict=True)
        return Prepared(torch.stack(inputs), torch.stack(originals))

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
        pixels = [self.encoder.preprocess(picture.load()) for picture in pictures]  # type: ignore[operator]
        # Channels last: convolutions on a CPU are a third faster so, in bfloat16 thirty times.
        return torch.stack(pixels).to(self.encoder.device, memory_format=torch.channels_last)


_pictures: WeakKeyDictionary[OpenClipEncoder, WeakKeyDictionary[Gallery, dict[str, Prepared]]] = WeakKeyDictionary()
_texts: PerOwner[tuple[Tensor, Tensor]] = PerOwner(most=50_000)
