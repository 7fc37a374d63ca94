"""Models that put images and texts into one space, and the same models with an edit applied.

Everything above this file sees a :class:`TextImageEncoder`. :class:`OpenClipEncoder` is the original;
:class:`EditedEncoder` is any encoder seen through a projection. Edits nest, so none asks which method made another.
Embeddings are computed once and kept by the model under every edit; an edit is carried to those.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from unlearn.caching import Cache, ObjectCache
from unlearn.clip.projection import Projection
from unlearn.concepts.selection import prompts
from unlearn.errors import ModelError
from unlearn.jobs import run_to_end

#: An edited embedding shorter than this (it was unit length) has no direction left worth naming.
NOTHING_LEFT = 0.1
#: Similarity of an embedding with nothing left: the lowest cosine there is, so it never wins.
NO_SIMILARITY = -1.0
#: Similarities of float32 embeddings are known to about this much; scores that differ by less tie. A projection that
#: leaves exactly nothing of a name scores every image 0, and the order of what rounding made of it is no order.
RESOLUTION = 1e-6
#: What to do where embeddings are not finite, by the towers' arithmetic.
_REMEDIES = {
    torch.float16: " in float16, whose largest number is 65,504; choose the precision bfloat16 or float32",
    torch.bfloat16: " in bfloat16; choose the precision float32",
}
#: Images that are decoded before they are encoded.
PICTURES_AT_ONCE = 32
#: A collection's embeddings are kept as a whole.
WHOLE = "whole"
#: A name, and the templates that it is put into.
ClassKey = tuple[str, tuple[str, ...]]
#: Long side over short side, beyond which an image is cut to its middle.
LONGEST_SHAPE = 16


class LoadsImage(Protocol):
    """An image that is decoded when it is wanted."""

    @property
    def load(self) -> Callable[[], Image.Image]: ...


class ImageCollection(Protocol):
    """Images in an order, known by identity: the embeddings of a collection are kept as long as it lives."""

    @property
    def pictures(self) -> Sequence[LoadsImage]: ...


#: Hears how many images are encoded, of how many.
Watch = Callable[[int, int], object]


class TextImageEncoder(Protocol):
    """Interface of every model: unit-norm embeddings of texts and images in one joint space."""

    @property
    def name(self) -> str: ...
    @property
    def embed_dim(self) -> int: ...
    @property
    def logit_scale(self) -> float: ...

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Embed texts: (n, embed_dim), unit norm, float32 on the CPU; a row of zeros has nothing left."""

    def encode_image(self, images: Sequence[Image.Image]) -> Tensor:
        """Embed RGB images: (n, embed_dim), unit norm, float32 on the CPU; a row of zeros has nothing left."""

    def text_features(self, names: Sequence[str], templates: Sequence[str]) -> Tensor:
        """Return the zero-shot classifier of ``names``, (n, embed_dim).

        Each is the normalised mean of its prompts' embeddings, encoded once. An edit is carried to the mean rather than
        to each prompt.
        """

    def image_features(
        self, collection: ImageCollection, *, progress: bool = False, watch: Watch | None = None
    ) -> Tensor:
        """Return the embeddings of all images of ``collection``, (n, embed_dim), encoded once.

        Args:
            collection: a gallery, say.
            progress: shows a bar in the terminal.
            watch: hears how far it is.
        """

    @property
    def edits(self) -> tuple[EditedEncoder, ...]:
        """Every edit of the joint space, from the model up."""

    @property
    def unedited(self) -> TextImageEncoder:
        """The model under every edit of the joint space."""


class CachingEncoder(ABC):
    """Base of models, which keep their embeddings; :meth:`encode_text` and :meth:`encode_image` are all they need."""

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
        """Keep a classifier (n, embed_dim) that the same weights computed earlier."""
        rows = dict(zip(_keys(names, templates), features, strict=True))
        self._text_features.get_all(list(rows), lambda missing: [rows[key] for key in missing])

    def image_features(
        self, collection: ImageCollection, *, progress: bool = False, watch: Watch | None = None
    ) -> Tensor:
        """See :class:`TextImageEncoder`."""

        def compute() -> Tensor:
            total = len(collection.pictures)
            with tqdm(total=total, desc="encoding pictures", unit="picture", disable=not progress) as bar:

                def show(done: int) -> None:
                    bar.update(done - bar.n)
                    if watch:
                        watch(done, total)

                return run_to_end(self._encoded(collection), show)

        return self._image_features.get(collection, WHOLE, compute)

    def prepare_image_features(self, collection: ImageCollection) -> Generator[int, None, Tensor]:
        """Compute what :meth:`image_features` looks up, and return it; reports how many images are done."""
        features = yield from self._encoded(collection)
        self.keep_image_features(collection, features)
        return features

    def keep_image_features(self, collection: ImageCollection, features: Tensor) -> None:
        """Keep embeddings of ``collection``, (n, embed_dim), that the same weights computed in another way."""
        self._image_features.get(collection, WHOLE, lambda: features)

    def _encoded(self, collection: ImageCollection) -> Generator[int, None, Tensor]:
        rows, pictures = [], collection.pictures
        for start in range(0, len(pictures), PICTURES_AT_ONCE):
            batch = pictures[start : start + PICTURES_AT_ONCE]
            rows.append(self.encode_image([picture.load() for picture in batch]))
            yield start + len(batch)
        return torch.cat(rows)

    @property
    def edits(self) -> tuple[EditedEncoder, ...]:
        """Of a model itself, none."""
        return ()

    @property
    def unedited(self) -> Self:
        """The model itself."""
        return self

    @cached_property
    def _text_features(self) -> Cache[Tensor]:
        """By name and templates: some thousands of rows, for vocabularies, synonyms and what visitors type."""
        return Cache(most=8192)

    @cached_property
    def _image_features(self) -> ObjectCache[Tensor]:
        """By collection: gone when that is, displaced by no others."""
        return ObjectCache(most=1)


def _keys(names: Sequence[str], templates: Sequence[str]) -> list[ClassKey]:
    return [(name, tuple(templates)) for name in names]


@dataclass(frozen=True, eq=False)
class OpenClipEncoder(CachingEncoder):
    """A model with open_clip's interface, its tokenizer and preprocessing. The weights are shared and never change.

    The towers compute in ``precision``; weights and embeddings are float32. ``architecture`` is what open_clip built
    the model from, its ``model_cfg``, where the name alone does not say it.
    """

    name: str
    model: torch.nn.Module
    preprocess: object
    tokenizer: object
    device: torch.device
    weights_file: Path | None = None
    precision: torch.dtype = torch.float32
    batch_size: int = 32
    architecture: Mapping[str, Any] | None = None

    @cached_property
    def embed_dim(self) -> int:
        return int(self.encode_text(["a"]).shape[1])

    @cached_property
    def logit_scale(self) -> float:
        return float(self.model.logit_scale.detach().exp())  # type: ignore[operator]

    @cached_property
    def sha256(self) -> str:
        """Hash of the weights file, or of the weights themselves where there is no single file."""
        if self.weights_file is not None:
            with self.weights_file.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        return weights_checksum(self.model)

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        rows = []
        for start in range(0, len(texts), 8 * self.batch_size):
            tokens = self.tokenizer(list(texts[start : start + 8 * self.batch_size]))  # type: ignore[operator]
            self._require_known(tokens)
            with self._arithmetic():
                features = self.model.encode_text(tokens.to(self.device))  # type: ignore[operator]
            rows.append(self._unit(features.float()))
        return torch.cat(rows)

    @torch.inference_mode()
    def encode_image(self, images: Sequence[Image.Image]) -> Tensor:
        rows = []
        for start in range(0, len(images), self.batch_size):
            batch = self.pixels(images[start : start + self.batch_size])
            with self._arithmetic():
                features = self.model.encode_image(batch.to(self.device))  # type: ignore[operator]
            rows.append(self._unit(features.float()))
        return torch.cat(rows)

    def _require_known(self, tokens: Tensor) -> None:
        """Nothing, if the model has embeddings of all ``tokens``: a GPU asked for others fails for everybody."""
        known = getattr(self.model, "vocab_size", 0)
        if known and tokens.numel() and (largest := int(tokens.max())) >= known:
            raise ModelError(
                f"The tokenizer of “{self.name}” gives a word the number {largest:,}, and the model knows {known:,} "
                "words, so they do not belong together."
            )

    def _unit(self, features: Tensor) -> Tensor:
        """Rows of ``features`` (n, embed_dim) at unit length, on the CPU.

        Raises:
            ModelError: some are no finite numbers, so that every comparison with them would say nothing.
        """
        if not bool(features.norm(dim=-1).isfinite().all()):
            remedy = _REMEDIES.get(self.precision, ": its weights are damaged, or were edited too far")
            raise ModelError(f"“{self.name}” gives embeddings that are not finite numbers{remedy}.")
        return F.normalize(features, dim=-1).cpu()

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """``images`` as the image tower takes them, (n, 3, height, width) on the CPU."""
        return torch.stack([self.preprocess(_middle(image)) for image in images])  # type: ignore[operator]

    def _arithmetic(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)


@dataclass(frozen=True, eq=False)
class EditedEncoder:
    """``base`` seen through ``projection`` P on the image side, the text side or both.

    Image embeddings (rows) become ``f @ P``, text embeddings ``t @ Pᵀ``; both are brought back to unit length, except
    where less than ``NOTHING_LEFT`` of the length remains: dividing by such a norm would give the old direction back.
    """

    base: TextImageEncoder
    projection: Projection
    side: str = "image"

    @property
    def name(self) -> str:
        return f"{self.base.name}, edited"

    @property
    def embed_dim(self) -> int:
        return self.base.embed_dim

    @property
    def logit_scale(self) -> float:
        return self.base.logit_scale

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        return self.edit_text(self.base.encode_text(texts))

    def encode_image(self, images: Sequence[Image.Image]) -> Tensor:
        return self.edit_image(self.base.encode_image(images))

    def text_features(self, names: Sequence[str], templates: Sequence[str]) -> Tensor:
        return self.edit_text(self.base.text_features(names, templates))

    def image_features(
        self, collection: ImageCollection, *, progress: bool = False, watch: Watch | None = None
    ) -> Tensor:
        return self.edit_image(self.base.image_features(collection, progress=progress, watch=watch))

    @property
    def edits(self) -> tuple[EditedEncoder, ...]:
        return (*self.base.edits, self)

    @property
    def unedited(self) -> TextImageEncoder:
        return self.base.unedited

    def edit_image(self, features: Tensor) -> Tensor:
        """Carry the edit to image embeddings (n, embed_dim) of ``base``; no image is encoded again."""
        return unit_or_zero(self.projection.on_images(features)) if self.side in ("image", "both") else features

    def edit_text(self, features: Tensor) -> Tensor:
        """Carry the edit to text embeddings (n, embed_dim) of ``base``."""
        return unit_or_zero(self.projection.on_texts(features)) if self.side in ("text", "both") else features


def _middle(image: Image.Image) -> Image.Image:
    """The middle of an image that is longer than ``LONGEST_SHAPE``; any other as it is.

    Preprocessing scales the shortest side up to the tower's and cuts out a square: on the way to it, a line of 1 × 4000
    pixels would become an image of 600 MB.
    """
    width, height = image.size
    longest = LONGEST_SHAPE * min(width, height)
    if max(width, height) <= longest:
        return image
    left, top = max(0, width - longest) // 2, max(0, height - longest) // 2
    return image.crop((left, top, left + min(width, longest), top + min(height, longest)))


def unit_or_zero(features: Tensor) -> Tensor:
    """Rows of (n, d) at unit length; rows shorter than ``NOTHING_LEFT`` become zero.

    Raises:
        ModelError: some are no finite numbers.
    """
    norms = features.norm(dim=-1, keepdim=True)
    if not bool(norms.isfinite().all()):
        raise ModelError("The edit makes embeddings that are not finite numbers; its values are too large to be used.")
    return torch.where(norms < NOTHING_LEFT, torch.zeros_like(features), features / norms.clamp_min(1e-12))


def similarity(rows: Tensor, columns: Tensor) -> Tensor:
    """Cosine of each of ``rows`` (n, d) with each of ``columns`` (m, d): (n, m).

    An embedding of zeros, an edit that left nothing, gets ``NO_SIMILARITY`` with everything, and so does one whose
    numbers are not finite.
    """
    scores = rows @ columns.T
    gone = ~rows.any(dim=-1, keepdim=True) | ~columns.any(dim=-1)
    return finite_or_last(scores.masked_fill(gone, NO_SIMILARITY))


def finite_or_last(scores: Tensor) -> Tensor:
    """``scores`` with ``NO_SIMILARITY`` in place of NaN and infinities.

    NaN is neither more nor less than any score: left alone it would come first in one ranking and last in another.
    """
    return scores.masked_fill(~scores.isfinite(), NO_SIMILARITY)


def says_nothing(scores: Tensor) -> bool:
    """Whether scores (n,) are of what an edit left nothing of: ``NO_SIMILARITY``, or what rounding made of 0."""
    return bool(((scores == NO_SIMILARITY) | (scores.abs() <= RESOLUTION)).all())


def weights_checksum(model: torch.nn.Module) -> str:
    """SHA-256 over names and bytes of every weight: equal before and after means that nothing was changed."""
    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        # A single number has no dimension to be viewed as bytes along.
        digest.update(tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
