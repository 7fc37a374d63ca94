"""White-box access to a model: the attacker can read and change every weight, and edits are baked into the weights.

An edit of the joint space changes the towers' final projections. The features before those are computed once for each
set of weights, and shared by all erasures that do not change it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from unlearn.attacks.split import Split
from unlearn.clip.encoders import OpenClipEncoder, TextImageEncoder
from unlearn.clip.final_projections import FinalProjection, final_projection
from unlearn.clip.weights import baked, with_weights
from unlearn.data.gallery import Gallery
from unlearn.finetuning.prepared import Frozen, PreparedImages
from unlearn.finetuning.trainable import Projections
from unlearn.progress import Progress, run_to_end


@dataclass(frozen=True, eq=False)
class WhiteBox:
    """The towers of a model up to their final projections, and those projections.

    Attributes:
        encoder: the model without any edit of the joint space.
        images: the model that computes the hidden features of images: ``encoder``, or one with the same image tower.
        image, text: places of the final projections.
        state: weights of the final projections, with every edit baked in.
        tuned: names of the weights before the final projections that differ from the original's.
    """

    encoder: OpenClipEncoder
    images: OpenClipEncoder
    image: FinalProjection
    text: FinalProjection
    state: Mapping[str, Tensor]
    tuned: tuple[str, ...] = ()

    @classmethod
    def of(cls, encoder: TextImageEncoder, original: TextImageEncoder) -> WhiteBox:
        """Open a checkpoint of ``encoder``, an edit of ``original``, as an attacker would.

        Raises:
            ModelError: the model has no weights, or a tower does not end in a linear projection.
        """
        below, changed = baked(encoder)
        first, _ = baked(original)
        image, text = (final_projection(below.model, tower) for tower in ("image", "text"))
        whole = below.model.state_dict() | changed
        state = {name: whole[name].detach().float().cpu() for name in (*image.tensors, *text.tensors)}
        tuned = () if below is first else tuple(name for name in _differing(below, first) if name not in state)
        same = not any(name.startswith("visual.") for name in tuned)
        return cls(below, first if same else below, image, text, state, tuned)

    def with_state(self, state: Mapping[str, Tensor]) -> WhiteBox:
        """Return the same towers with other final projections."""
        return replace(self, state=state)

    def cast(self, cast: Callable[[Tensor], Tensor]) -> WhiteBox:
        """Apply ``cast`` to all weights that an edit may have changed: final projections and tuned weights."""
        state = {name: cast(tensor) for name, tensor in self.state.items()}
        if not self.tuned:
            return self.with_state(state)
        weights = self.encoder.model.state_dict()
        tuned = {name: cast(weights[name].float()) for name in self.tuned if weights[name].is_floating_point()}
        encoder = with_weights(self.encoder, tuned, name=self.encoder.name)
        same = self.images is not self.encoder
        return replace(self, encoder=encoder, images=self.images if same else encoder, state=state)

    def prepare(self, *splits: Split) -> Generator[Progress, None, None]:
        """Compute the hidden features of ``splits``; reports progress after every few images."""
        yield from self._images.images([gallery for split in splits for gallery in (split.own, split.some)])

    def hidden(self, split: Split) -> Tensor:
        """Return the features of a split's images before the final projection, the concept's own first, (n, width)."""
        own, some = run_to_end(self._images.images([split.own, split.some]))
        return torch.cat([self._hidden(own), self._hidden(some)[split.others]])

    def gallery_features(self, gallery: Gallery) -> Tensor:
        """Return the embeddings of all images of ``gallery``, (n, embed_dim), unit norm."""
        (prepared,) = run_to_end(self._images.images([gallery]))
        return self.image_features(self._hidden(prepared))

    def image_features(self, hidden: Tensor) -> Tensor:
        """Return the embeddings of images from their ``hidden`` features, (n, embed_dim), unit norm."""
        return F.normalize(self.image.features(self.state, hidden), dim=-1)

    def text_hidden(self, texts: Sequence[str]) -> Tensor:
        """Return the features of texts before the final projection, (n, width)."""
        return self._texts.texts(texts).inputs

    def text_features(self, hidden: Tensor) -> Tensor:
        """Return the embeddings of texts from their ``hidden`` features, (n, embed_dim), unit norm."""
        return F.normalize(self.text.features(self.state, hidden), dim=-1)

    @cached_property
    def _images(self) -> Frozen:
        return Frozen(self.images, Projections(self.images), "float32")

    @cached_property
    def _texts(self) -> Frozen:
        return Frozen(self.encoder, Projections(self.encoder), "float32")

    def _hidden(self, prepared: PreparedImages) -> Tensor:
        return self._images.image_inputs([(prepared, i) for i in range(len(prepared.gallery))]).cpu()


def _differing(one: OpenClipEncoder, other: OpenClipEncoder) -> list[str]:
    """Return the names of the tensors that differ between two models of one architecture."""
    first, second = one.model.state_dict(), other.model.state_dict()
    return [name for name, tensor in first.items() if tensor.data_ptr() != second[name].data_ptr()]
