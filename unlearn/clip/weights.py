"""Models that share weights: a fine-tuned model consists of the base model and the few tensors that differ."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import fields

from torch import Tensor, nn

from unlearn.clip.encoders import OpenClipEncoder, TextImageEncoder
from unlearn.clip.final_projections import baked_weights
from unlearn.errors import ModelError


def sharing_copy(model: nn.Module, replaced: Mapping[str, Tensor]) -> nn.Module:
    """Copy the module tree of ``model`` but share its tensors, except for those in ``replaced``.

    Two models need little more memory than one, and hooks on one do not affect the other. Replacements are used as they
    are: the caller is responsible for a shape that differs from the original's.

    Raises:
        ModelError: ``replaced`` names a tensor that the model does not have.
    """
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    if unknown := sorted(set(replaced) - set(tensors)):
        raise ModelError(f"The model has no weights called {unknown[0]}; the edit belongs to another architecture.")
    # deepcopy looks into its memo before it copies an object, so objects in the memo are shared.
    memo = {
        id(tensor): _like(tensor, replaced[name]) if name in replaced else tensor for name, tensor in tensors.items()
    }
    return copy.deepcopy(model, memo)


def _like(original: Tensor, values: Tensor) -> Tensor:
    values = values.to(original.device)
    return nn.Parameter(values, requires_grad=False) if isinstance(original, nn.Parameter) else values


def with_weights(encoder: OpenClipEncoder, delta: Mapping[str, Tensor], *, name: str) -> OpenClipEncoder:
    """Return ``encoder`` with the tensors of ``delta`` in place of its own; all other tensors are shared.

    Raises:
        ModelError: the model has no such tensor, or it has another shape.
    """
    require_shapes(encoder.model.state_dict(), delta)
    dtype = next(encoder.model.parameters()).dtype
    model = sharing_copy(encoder.model, {key: tensor.to(dtype) for key, tensor in delta.items()})
    # A plain model, whatever ``encoder`` is: it embeds with these weights and nothing prepared for others.
    parts = {field.name: getattr(encoder, field.name) for field in fields(OpenClipEncoder)}
    return OpenClipEncoder(**parts | {"name": name, "model": model, "weights_file": None})


def require_shapes(state: Mapping[str, Tensor], delta: Mapping[str, Tensor]) -> None:
    """Raise unless ``state`` has all tensors of ``delta``, of the same shapes.

    Raises:
        ModelError: it does not.
    """
    for key, tensor in delta.items():
        if key not in state:
            raise ModelError(f"The model has no weights called {key}; the edit belongs to another architecture.")
        if state[key].shape != tensor.shape:
            raise ModelError(f"{key} is {tuple(state[key].shape)} in this model and {tuple(tensor.shape)} in the edit.")


def baked(encoder: TextImageEncoder) -> tuple[OpenClipEncoder, dict[str, Tensor]]:
    """Return the model under all edits of ``encoder``, and the weights that change when the edits are baked in.

    Raises:
        ModelError: the encoder has no weights, or an edited tower has no linear projection at its end.
    """
    below, changed = encoder.unedited, dict[str, Tensor]()
    if not isinstance(below, OpenClipEncoder):
        raise ModelError(f"“{below.name}” has no weights that an attacker could read or change.")
    for edit in encoder.edits:
        changed |= baked_weights(below.model, edit.projection, edit.side, below.model.state_dict() | changed)
    return below, changed
