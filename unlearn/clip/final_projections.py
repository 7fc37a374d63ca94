"""The last linear map of a CLIP tower, where an edit of the joint space can be baked into the weights.

A tower ends in ``features = hidden @ W`` (a parameter, as in open_clip's transformers) or ``W hidden + b`` (an
``nn.Linear``, as in its other towers). Multiplying ``W`` by the edit applies it to every feature permanently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from unlearn.clip.projection import Projection
from unlearn.errors import ModelError


@dataclass(frozen=True)
class FinalProjection:
    """The place of a tower's last linear map in the model's state dict."""

    weight: str
    bias: str | None
    rows_are_inputs: bool

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names in the state dict: the weight's, and the bias's if there is one."""
        return (self.weight,) if self.bias is None else (self.weight, self.bias)

    def bake(self, state: Mapping[str, Tensor], edit: Tensor) -> dict[str, Tensor]:
        """Return the changed tensors of ``state`` that make features ``features @ edit``; ``edit`` is (d, d).

        The product is computed in float64 and returned in float32; the caller may cast it to half precision.
        """
        wide = edit.double()
        weight = state[self.weight].detach().cpu().double()
        baked = {self.weight: (weight @ wide if self.rows_are_inputs else wide.T @ weight).float()}
        if self.bias is not None:
            baked[self.bias] = (state[self.bias].detach().cpu().double() @ wide).float()
        return baked

    def features(self, state: Mapping[str, Tensor], hidden: Tensor) -> Tensor:
        """Apply the linear map in ``state`` to ``hidden`` (n, width): (n, d), not normalised."""
        weight = state[self.weight]
        features = hidden @ (weight if self.rows_are_inputs else weight.T)
        return features if self.bias is None else features + state[self.bias]


#: Places of the last linear map by kind of tower: vision transformers, ResNets, timm, BLIP; text towers, Hugging Face.
NAMES = {
    "image": ("proj", "attnpool.c_proj", "head", "vision_proj"),
    "text": ("text_projection", "proj", "text_proj"),
}


def final_projection(model: nn.Module, tower: str) -> FinalProjection:
    """Return the last linear map of ``model``'s ``tower``, "image" or "text".

    Raises:
        ModelError: the tower does not end in a linear map; its edit can only be applied live.
    """
    found = find_projection(model, tower)
    if found is None:
        raise ModelError(
            f"The {tower} tower of this model does not end in a linear projection, so the edit cannot be baked into "
            "its weights; it can be applied live."
        )
    return found


def find_projection(model: nn.Module, tower: str) -> FinalProjection | None:
    """Return the last linear map of ``model``'s ``tower``; None if there is none, as in SigLIP's image tower."""
    prefix, root = tower_root(model, tower)
    for name in NAMES[tower]:
        found = _resolve(root, name)
        path = f"{prefix}{name}"
        if isinstance(found, nn.Parameter):
            return FinalProjection(path, None, rows_are_inputs=True)
        if isinstance(found, nn.Module):
            linears = [(key, layer) for key, layer in found.named_modules() if isinstance(layer, nn.Linear)]
            if linears:
                key, layer = linears[-1]
                return _of_linear(f"{path}.{key}".rstrip("."), layer)
    trunk = getattr(root, "trunk", None)  # a timm tower whose classifier is the projection
    if trunk is not None and isinstance(classifier := trunk.get_classifier(), nn.Linear):
        key = next(key for key, layer in trunk.named_modules() if layer is classifier)
        return _of_linear(f"{prefix}trunk.{key}", classifier)
    return None


def baked_weights(
    model: nn.Module, projection: Projection, side: str, state: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Return the changed weights of ``model`` after ``projection`` is baked into the towers of ``side``.

    Args:
        model: the architecture.
        projection: the edit of the joint space.
        side: ``image``, ``text`` or ``both``.
        state: weights to bake it into; by default the model's own.

    Raises:
        ModelError: an edited tower has no linear projection at its end.
    """
    state = model.state_dict() if state is None else state
    edits = {"image": projection.matrix, "text": projection.matrix.T}
    changed: dict[str, Tensor] = {}
    for tower in edits if side == "both" else (side,):
        changed |= final_projection(model, tower).bake(state, edits[tower])
    return changed


def tower_root(model: nn.Module, tower: str) -> tuple[str, nn.Module]:
    """Return the module that holds ``model``'s ``tower``, and the prefix of its names in the model's state dict.

    In open_clip's ``CLIP`` class the parts of the text tower are attributes of the model: their prefix is empty.
    """
    attribute = "visual" if tower == "image" else "text"
    root = getattr(model, attribute, None)
    return (f"{attribute}.", root) if isinstance(root, nn.Module) else ("", model)


def _resolve(root: nn.Module, path: str) -> object | None:
    found: object | None = root
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def _of_linear(path: str, layer: nn.Linear) -> FinalProjection:
    bias = f"{path}.bias" if layer.bias is not None else None
    return FinalProjection(f"{path}.weight", bias, rows_are_inputs=False)
