"""Activations of the frozen layers, computed once per image and text: the inputs of the trained layers.

A run trains on them, and a fine-tuned model embeds from them, so that another strength costs little.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, cast
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unlearn.caching import ObjectCache
from unlearn.clip.caching_encoder import ImageCollection
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.weights import require_shapes, with_weights
from unlearn.data.gallery import Gallery
from unlearn.errors import ModelError
from unlearn.finetuning.trainable import Trainable, make_trainable
from unlearn.progress import Progress, map_progress

CHUNK = 32
PRECISIONS = {torch.float32: "float32", torch.bfloat16: "bfloat16"}


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
    The same pass gives the original model's embeddings, so it needs the original weights: either training has not
    begun, or ``untrained`` is another such copy.
    """

    encoder: OpenClipEncoder
    trainable: Trainable
    precision: str
    untrained: Trainable | None = None

    @property
    def _original(self) -> Trainable:
        return self.untrained or self.trainable

    @property
    def _key(self) -> str:
        return f"{type(self.trainable).__name__} {self.precision}"

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the autocast context in which both towers run."""
        return torch.autocast(self.encoder.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    def images(self, galleries: Sequence[Gallery]) -> Generator[Progress, None, list[PreparedImages]]:
        """Prepare all images of ``galleries``; yields progress after every chunk."""
        if not self.trainable.trains_images:
            return (yield from self._as_they_are(galleries))
        known = _images.setdefault(self.encoder, WeakKeyDictionary())
        missing = [gallery for gallery in galleries if self._key not in known.get(gallery, {})]
        total, done = sum(map(len, missing)), 0
        for gallery in missing:
            kept, original = [], []
            for start in range(0, len(gallery), CHUNK):
                chunk = gallery.images[start : start + CHUNK]
                with torch.no_grad(), self.autocast():
                    ready = self._original.prepare_images(self.encoder.pixels([image.load() for image in chunk]))
                    original.append(self._original.image_features(ready).cpu())
                if self.trainable.keeps_images:
                    kept.append(ready.cpu())
                done += len(chunk)
                yield encoding(done, total)
            rows = torch.cat(kept) if kept else torch.empty(0)
            known.setdefault(gallery, {})[self._key] = rows, torch.cat(original)
        return [PreparedImages(gallery, *known[gallery][self._key]) for gallery in galleries]

    def _as_they_are(self, galleries: Sequence[Gallery]) -> Generator[Progress, None, list[PreparedImages]]:
        """Prepare images that keep their embeddings, which the encoder caches for every other use too."""
        prepared = []
        for gallery in galleries:
            run = self.encoder.prepare_image_features(gallery)
            features = yield from map_progress(run, partial(encoding, total=len(gallery)))
            prepared.append(PreparedImages(gallery, features, features))
        return prepared

    def image_inputs(self, places: Sequence[tuple[PreparedImages, int]]) -> Tensor:
        """Return the inputs of the trained part for the images at ``places``, (n, …) on the encoder's device."""
        if not self.trainable.keeps_images:
            return self.encoder.pixels([prepared.gallery.images[i].load() for prepared, i in places])
        return torch.stack([prepared.kept[i] for prepared, i in places]).to(self.encoder.device)

    def texts(self, texts: Sequence[str]) -> PreparedTexts:
        """Prepare ``texts``; texts that an earlier run prepared come from the cache."""
        prepared = _texts.get_all(self.encoder, [(self._key, text) for text in texts], self._prepare_texts)
        inputs, originals = zip(*prepared, strict=True)
        return PreparedTexts(pad_sequence(list(inputs), batch_first=True), torch.stack(originals))

    def _prepare_texts(self, missing: Sequence[tuple[str, str]]) -> list[tuple[Tensor, Tensor]]:
        rows: dict[int, tuple[Tensor, Tensor]] = {}
        # Texts of one length together, as each is padded to the longest beside it.
        order = sorted(range(len(missing)), key=lambda i: len(missing[i][1]))
        for start in range(0, len(missing), 8 * CHUNK):
            chunk = order[start : start + 8 * CHUNK]
            tokens = self.encoder.tokenizer([missing[i][1] for i in chunk])  # type: ignore[operator]
            with torch.no_grad(), self.autocast():
                ready = self._original.prepare_texts(tokens.to(self.encoder.device))
                original = self._original.text_features(ready)
            rows |= zip(chunk, zip(ready.cpu(), original.cpu(), strict=True), strict=True)
        return [rows[i] for i in range(len(missing))]


#: Tensors of each gallery, without a reference to the gallery, which would keep it alive.
_images: WeakKeyDictionary[OpenClipEncoder, WeakKeyDictionary[Gallery, dict[str, tuple[Tensor, Tensor]]]] = (
    WeakKeyDictionary()
)
#: A name in a sentence takes 10 to 50 kB, depending on the model; a run with more texts prepares the rest itself.
_texts: ObjectCache[tuple[Tensor, Tensor]] = ObjectCache(most=8192)


@dataclass(frozen=True, eq=False)
class TunedEncoder(OpenClipEncoder):
    """A fine-tuned model whose embeddings start from the prepared inputs of its trained part.

    Attributes:
        frozen: the frozen part, shared by every strength of every run that trains the same; it holds the trained part.
    """

    frozen: Frozen | None = None

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        frozen, rows = self._frozen, []
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # padded less than in any order
        for start in range(0, len(texts), 8 * CHUNK):
            inputs = frozen.texts([texts[i] for i in order[start : start + 8 * CHUNK]]).inputs
            with frozen.autocast():
                rows.append(frozen.trainable.text_features(inputs.to(self.device)))
        return self._unit(torch.cat(rows)[torch.tensor(order).argsort().to(self.device)])

    def _encoded(self, collection: ImageCollection) -> Generator[int, None, Tensor]:
        frozen = self._frozen
        (images,) = yield from map_progress(frozen.images([cast(Gallery, collection)]), lambda progress: progress.done)
        if not frozen.trainable.trains_images:
            return images.original
        with torch.no_grad(), frozen.autocast():
            return self._unit(frozen.trainable.image_features(images.kept.to(self.device)))

    @property
    def _frozen(self) -> Frozen:
        if self.frozen is None:
            raise TypeError("A TunedEncoder needs its frozen part.")
        return self.frozen


def tuned_encoder(base: OpenClipEncoder, weights: Mapping[str, Tensor], what: str, *, name: str) -> OpenClipEncoder:
    """Return ``base`` with ``weights``, as :func:`unlearn.clip.weights.with_weights` does.

    If these are all weights that the choice ``what`` trains, the result is a :class:`TunedEncoder`.

    Raises:
        ModelError: the model has no such tensor, or it has another shape.
    """
    require_shapes(base.model.state_dict(), weights)
    untrained = _untrained.get(base, what, lambda: _try_to_train(base, what))
    if base.precision not in PRECISIONS or untrained is None or untrained.parameters.keys() != weights.keys():
        return with_weights(base, weights, name=name)
    trainable = make_trainable(base, what)
    trainable.load(weights)
    shared = {key: parameter.detach() for key, parameter in trainable.parameters.items()}
    whole = with_weights(base, shared, name=name)
    parts: dict[str, Any] = {field.name: getattr(whole, field.name) for field in fields(whole)}
    return TunedEncoder(**parts, frozen=Frozen(base, trainable, PRECISIONS[base.precision], untrained))


def _try_to_train(base: OpenClipEncoder, what: str) -> Trainable | None:
    try:
        return make_trainable(base, what)
    except ModelError:
        return None


#: Copies with the original weights, for each model.
_untrained: ObjectCache[Trainable | None] = ObjectCache(most=2)
