"""Models that share their weights: a fine-tuned model is the base model plus the few tensors that differ."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn

from unlearn.clip.encoders import OpenClipEncoder, TextImageEncoder
from unlearn.clip.final_projections import baked_weights
from unlearn.errors import ModelError


def sharing_copy(model: nn.Module, replaced: Mapping[str, Tensor]) -> nn.Module:
    """A new module tree over the same tensors, except for those in ``replaced``; ``model`` is not touched.

    Modules are copied, tensors are not, so two models cost little more than one and neither sees the other's hooks.
    A replacement is used as it is, so a shape other than the original's is the caller's responsibility.

    Raises:
        ModelError: ``replaced`` names a tensor that the model does not have.
    """
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    if unknown := sorted(set(replaced) - set(tensors)):
        raise ModelError(f"The model has no weights called {unknown[0]}; the edit belongs to another architecture.")
    # deepcopy asks its memo before it copies anything: what stands there is shared.
    memo = {
        id(tensor): _like(tensor, replaced[name]) if name in replaced else tensor for name, tensor in tensors.items()
    }
    return copy.deepcopy(model, memo)


def _like(original: Tensor, values: Tensor) -> Tensor:
    values = values.to(original.device)
    return nn.Parameter(values, requires_grad=False) if isinstance(original, nn.Parameter) else values


def with_weights(encoder: OpenClipEncoder, delta: Mapping[str, Tensor], *, name: str) -> OpenClipEncoder:
    """``encoder`` with the tensors of ``delta`` in place of its own; every other tensor is shared with it.

    Raises:
        ModelError: a tensor is not the model's, or of another shape.
    """
    shapes = {key: tensor.shape for key, tensor in encoder.model.state_dict().items()}
    for key, tensor in delta.items():
        if key in shapes and shapes[key] != tensor.shape:
            raise ModelError(f"{key} is {tuple(shapes[key])} in this model and {tuple(tensor.shape)} in the edit.")
    dtype = next(encoder.model.parameters()).dtype
    model = sharing_copy(encoder.model, {key: tensor.to(dtype) for key, tensor in delta.items()})
    return replace(encoder, name=name, model=model, weights_file=None)


def baked(encoder: TextImageEncoder) -> tuple[OpenClipEncoder, dict[str, Tensor]]:
    """The model under every edit of ``encoder``, and its weights that differ once they are all baked in.

    Raises:
        ModelError: there are no weights below, or an edited tower has no linear projection at its end.
    """
    below, changed = encoder.unedited, dict[str, Tensor]()
    if not isinstance(below, OpenClipEncoder):
        raise ModelError(f"“{below.name}” has no weights that an attacker could read or change.")
    for edit in encoder.edits:
        changed |= baked_weights(below.model, edit.projection, edit.side, below.model.state_dict() | changed)
    return below, changed
