"""Encoders that embed images and texts in a joint space, and encoders with an edit applied.

Modules above this one use the interface :class:`TextImageEncoder`. :class:`OpenClipEncoder` is the original model;
:class:`EditedEncoder` is any encoder with a projection applied. Edits nest, whichever method made them. The original
model caches its embeddings, and an edit is applied to the cached ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from unlearn.clip.caching_encoder import CachingEncoder, ImageCollection, Watch
from unlearn.clip.embeddings import unit_or_zero
from unlearn.clip.projection import Projection
from unlearn.clip.text_encoding import encode_text
from unlearn.errors import ModelError
from unlearn.files.writing import sha256_of

#: Advice for embeddings that are not finite, by the precision of the towers.
_REMEDIES = {
    torch.float16: " in float16, whose largest number is 65,504; choose the precision bfloat16 or float32",
    torch.bfloat16: " in bfloat16; choose the precision float32",
}
#: Ratio of the long to the short side beyond which an image is cropped to its centre.
LONGEST_SHAPE = 16


class TextImageEncoder(Protocol):
    """Interface of every model: unit-norm embeddings of texts and images in one joint space."""

    @property
    def name(self) -> str: ...
    @property
    def embed_dim(self) -> int: ...
    @property
    def logit_scale(self) -> float: ...

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Embed texts: (n, embed_dim), unit norm, float32 on the CPU; a row of zeros if the edit left nothing."""

    def encode_image(self, images: Sequence[Image.Image]) -> Tensor:
        """Embed RGB images: (n, embed_dim), unit norm, float32 on the CPU; a row of zeros if the edit left nothing."""

    def text_features(self, names: Sequence[str], templates: Sequence[str]) -> Tensor:
        """Return the zero-shot classifier of ``names``, (n, embed_dim).

        Each row is the normalised mean of the embeddings of a name's prompts, which are encoded once. An edit is
        applied to the mean rather than to each prompt.
        """

    def image_features(
        self, collection: ImageCollection, *, progress: bool = False, watch: Watch | None = None
    ) -> Tensor:
        """Return the embeddings of all images of ``collection``, (n, embed_dim), encoded once.

        Args:
            collection: for example a gallery.
            progress: show a progress bar in the terminal.
            watch: called with the number of encoded images and their total.
        """

    @property
    def edits(self) -> tuple[EditedEncoder, ...]:
        """All edits of the joint space, in the order in which they are applied."""

    @property
    def unedited(self) -> TextImageEncoder:
        """The encoder without any edit of the joint space."""


@dataclass(frozen=True, eq=False)
class OpenClipEncoder(CachingEncoder):
    """A model with open_clip's interface, its tokenizer and preprocessing. The weights are shared and never change.

    The towers compute in ``precision``; weights and embeddings are float32. ``architecture`` is the ``model_cfg`` from
    which open_clip built the model, if the model's name does not determine it.
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
        """Hash of the weights file, or of the weights themselves if there is no single file."""
        if self.weights_file is not None:
            return sha256_of(self.weights_file)
        return weights_checksum(self.model)

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        # Texts of similar length together: a batch takes as long as its longest text.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        rows = []
        for start in range(0, len(order), 8 * self.batch_size):
            tokens = self.tokenizer([texts[i] for i in order[start : start + 8 * self.batch_size]])  # type: ignore[operator]
            self._require_known(tokens)
            with self._arithmetic():
                features = encode_text(self.model, tokens.to(self.device))
            rows.append(self._unit(features.float()))
        return torch.cat(rows)[torch.tensor(order).argsort()]

    @torch.inference_mode()
    def encode_image(self, images: Sequence[Image.Image]) -> Tensor:
        rows = []
        for start in range(0, len(images), self.batch_size):
            batch = self.pixels(images[start : start + self.batch_size])
            with self._arithmetic():
                features = self.model.encode_image(batch)  # type: ignore[operator]
            rows.append(self._unit(features.float()))
        return torch.cat(rows)

    def _require_known(self, tokens: Tensor) -> None:
        """Raise unless the model has embeddings of all ``tokens``: an invalid index breaks the GPU for all users."""
        known = getattr(self.model, "vocab_size", 0)
        if known and tokens.numel() and (largest := int(tokens.max())) >= known:
            raise ModelError(
                f"The tokenizer of “{self.name}” gives a word the number {largest:,}, and the model knows {known:,} "
                "words, so they do not belong together."
            )

    def _unit(self, features: Tensor) -> Tensor:
        """Normalise the rows of ``features`` (n, embed_dim) to unit length, on the CPU.

        Raises:
            ModelError: some values are not finite, so similarities would be meaningless.
        """
        if not bool(features.norm(dim=-1).isfinite().all()):
            remedy = _REMEDIES.get(self.precision, ": its weights are damaged, or were edited too far")
            raise ModelError(f"“{self.name}” gives embeddings that are not finite numbers{remedy}.")
        return F.normalize(features, dim=-1).cpu()

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """Preprocess ``images`` for the image tower: (n, 3, height, width) on the encoder's device, channels last.

        In this layout, convolutions on a CPU take two thirds of the time, and a thirtieth in bfloat16.
        """
        pixels = torch.stack([self.preprocess(_middle(image)) for image in images])  # type: ignore[operator]
        return pixels.to(self.device, memory_format=torch.channels_last)

    def _arithmetic(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)


@dataclass(frozen=True, eq=False)
class EditedEncoder:
    """``base`` with ``projection`` P applied to image embeddings, text embeddings or both.

    Image embeddings (rows) become ``f @ P``, text embeddings ``t @ Pᵀ``. Both are normalised again, unless their norm
    is below :data:`unlearn.clip.embeddings.NOTHING_LEFT`: normalising would then restore the old direction.
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
        """Apply the edit to image embeddings (n, embed_dim) of ``base``; no image is encoded again."""
        return unit_or_zero(self.projection.on_images(features)) if self.side in ("image", "both") else features

    def edit_text(self, features: Tensor) -> Tensor:
        """Apply the edit to text embeddings (n, embed_dim) of ``base``."""
        return unit_or_zero(self.projection.on_texts(features)) if self.side in ("text", "both") else features


def _middle(image: Image.Image) -> Image.Image:
    """Crop an image that is more elongated than ``LONGEST_SHAPE`` to its centre; return any other image unchanged.

    Preprocessing scales the shortest side up to the tower's and crops a square: on the way, an image of 1 × 4000 pixels
    would take 600 MB.
    """
    width, height = image.size
    longest = LONGEST_SHAPE * min(width, height)
    if max(width, height) <= longest:
        return image
    left, top = max(0, width - longest) // 2, max(0, height - longest) // 2
    return image.crop((left, top, left + min(width, longest), top + min(height, longest)))


def weights_checksum(model: torch.nn.Module) -> str:
    """Return a SHA-256 of the names and bytes of all weights, to verify that they did not change."""
    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        digest.update(key.encode())
        # A scalar tensor has no dimension along which it could be viewed as bytes.
        digest.update(tensor.detach().cpu().reshape(-1).contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
