"""Models that put pictures and texts into one space, and the same models with an edit applied.

Everything above this file sees a :class:`TextImageEncoder`. :class:`OpenClipEncoder` is the original;
:class:`EditedEncoder` is any encoder seen through a projection. Edits nest, so none asks which method made another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from unlearn.caching import ObjectCache
from unlearn.clip.projection import Projection
from unlearn.concepts.selection import prompts
from unlearn.errors import ModelError

#: An edited embedding shorter than this (it was unit length) has no direction left worth naming.
NOTHING_LEFT = 0.1
#: Similarity of an embedding with nothing left: the lowest cosine there is, so it never wins.
NO_SIMILARITY = -1.0
#: Similarities of float32 embeddings are known to about this much; scores that differ by less tie. A projection that
#: leaves exactly nothing of a name scores every picture 0, and the order of what rounding made of it is no order.
RESOLUTION = 1e-6
#: What to do where embeddings are not finite, by the towers' arithmetic.
_REMEDIES = {
    torch.float16: " in float16, whose largest number is 65,504; choose the precision bfloat16 or float32",
    torch.bfloat16: " in bfloat16; choose the precision float32",
}
#: Long side over short side, beyond which an image is cut to its middle.
LONGEST_SHAPE = 16


@runtime_checkable
class TextImageEncoder(Protocol):
    """What every model offers: unit-norm embeddings of texts and pictures in one joint space."""

    @property
    def name(self) -> str: ...
    @property
    def embed_dim(self) -> int: ...
    @property
    def logit_scale(self) -> float: ...

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """Embed texts: (n, embed_dim), unit norm, float32 on the CPU; a row of zeros has nothing left."""

    def encode_image(self, images: Sequence[Image.Image]) -> Tensor:
        """Embed RGB pictures: (n, embed_dim), unit norm, float32 on the CPU; a row of zeros has nothing left."""


@dataclass(frozen=True, eq=False)
class OpenClipEncoder:
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

    def edit_image(self, features: Tensor) -> Tensor:
        """Carry the edit to image embeddings (n, embed_dim) of ``base``; no picture is encoded again."""
        return unit_or_zero(self.projection.on_images(features)) if self.side in ("image", "both") else features

    def edit_text(self, features: Tensor) -> Tensor:
        """Carry the edit to text embeddings (n, embed_dim) of ``base``."""
        return unit_or_zero(self.projection.on_texts(features)) if self.side in ("text", "both") else features


def _middle(image: Image.Image) -> Image.Image:
    """The middle of an image that is longer than ``LONGEST_SHAPE``; any other as it is.

    Preprocessing scales the shortest side up to the tower's and cuts out a square: on the way to it, a line of 1 × 4000
    pixels would become a picture of 600 MB.
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


#: Class embeddings by name: some thousands of rows, for vocabularies, synonyms and what visitors type.
_classes: ObjectCache[Tensor] = ObjectCache(most=8192)


def class_embeddings(encoder: TextImageEncoder, classnames: Sequence[str], templates: Sequence[str]) -> Tensor:
    """The zero-shot classifier: each class the normalised mean of its prompts' embeddings, (num_classes, embed_dim).

    An edit is carried to the mean rather than to each prompt, so that it acts on the base model's remembered classes.
    """
    if isinstance(encoder, EditedEncoder):
        return encoder.edit_text(class_embeddings(encoder.base, classnames, templates))

    def compute(missing: list[tuple[str, tuple[str, ...]]]) -> Sequence[Tensor]:
        texts = [prompt for name, _ in missing for prompt in prompts(name, templates)]
        features = encoder.encode_text(texts).view(len(missing), len(templates), -1)
        return F.normalize(features.mean(dim=1), dim=-1).unbind()

    keys = [(name, tuple(templates)) for name in classnames]
    return torch.stack(_classes.get_all(encoder, keys, compute))


def remember_classes(
    encoder: TextImageEncoder, classnames: Sequence[str], embeddings: Tensor, templates: Sequence[str]
) -> None:
    """Put a classifier computed earlier by the same weights, (num_classes, embed_dim), where it will be looked up."""
    rows = {(name, tuple(templates)): row for name, row in zip(classnames, embeddings, strict=True)}
    _classes.get_all(encoder, list(rows), lambda missing: [rows[key] for key in missing])
