"""Whatever edits are in force, carried into a pipeline; and what cannot be carried, said in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.final_projections import final_projection
from unlearn.clip.text_tower import state_dict, text_tower
from unlearn.concepts.selection import Vocabulary
from unlearn.diffusion.conditioning import Listener, RidgeSettings, solve
from unlearn.erasers.settings import CCUPSettings
from unlearn.erasers.token_states import TokenMap, pull_back
from unlearn.errors import ModelError, require_choice

if TYPE_CHECKING:
    from unlearn.diffusion.pipelines import Painter
    from unlearn.erasers.erasure import Projected

#: How CCUP reaches the token states; the first is the default, as it forgets more where as much is kept (README).
WAYS = ("ridge", "pull_back")


#: What a solution on the states leaves aside.
OF_THE_SCORE = (
    "The drawing follows concepts, retain set, strength and synonyms. Form, side, λ and μ are of CLIP's own score; on "
    "the token states CCUP has one form, and a λ and μ of its own."
)


@dataclass(frozen=True, eq=False)
class Carried:
    """A painter that hears the edits, and what the visitor should know about it."""

    painter: Painter
    maps: tuple[TokenMap | None, ...]
    notices: tuple[str, ...]


def carry(
    painter: Painter,
    encoder: OpenClipEncoder,
    *,
    closed_form: Projected[Any] | None = None,
    tuned: OpenClipEncoder | None = None,
    way: str = "ridge",
    vocabulary: Vocabulary | None = None,
    settings: RidgeSettings | None = None,
) -> Carried:
    """``painter`` with the edits of ``encoder`` in its text encoders; nothing that is shared changes.

    Args:
        painter: the pipeline.
        encoder: the CLIP that was edited, as it was before.
        closed_form: CCUP's edit. It is solved for each text encoder, whichever CLIP that comes from.
        tuned: what CLIPErase made of ``encoder``.
        way: ``ridge`` or ``pull_back``; the second needs the pipeline to be driven by ``encoder`` itself.
        vocabulary: see :func:`unlearn.diffusion.conditioning.solve`.

    Raises:
        ModelError: the edit cannot be carried; the sentence says why.
    """
    require_choice("way", way, WAYS)
    own = [drives(encoder, listener) for listener in painter.listeners]
    carried = Carried(painter, (None,) * len(own), ())
    if tuned is not None:
        carried = _with_tuned_tower(carried, own, encoder, tuned)
    if closed_form is None:
        return carried
    if way == "ridge":

        def solved(listener: Listener) -> TokenMap:
            asked = {name: getattr(closed_form.settings, name) for name in ("strength", "synonyms")}
            return solve(listener, closed_form.selection, vocabulary=vocabulary, settings=settings, **asked)

        carried = _solved(carried, own, solved)
        aside = (OF_THE_SCORE,) if _has_more(closed_form.settings) else ()
        return replace(carried, notices=carried.notices + aside)
    if not all(own):
        raise ModelError(
            f"CCUP can be pulled back only where “{encoder.name}” itself drives the pipeline; “{painter.name}” "
            f"hears {painter.known.clips[own.index(False)]}. Solve on the states instead (ridge)."
        )
    return _pulled_back(carried, closed_form, tuned or encoder)


def _with_tuned_tower(
    carried: Carried, own: Sequence[bool], encoder: OpenClipEncoder, tuned: OpenClipEncoder
) -> Carried:
    """CLIPErase's text tower in place of the one that it was made of."""
    painter = carried.painter
    if not any(own):
        raise ModelError(
            f"CLIPErase's edit of “{encoder.name}” cannot be carried to “{painter.name}”: its text encoder is "
            f"another CLIP ({', '.join(painter.known.clips)}). CCUP can, as it is solved anew for any of them."
        )
    listeners, notices = list(painter.listeners), list(carried.notices)
    for position in (position for position, is_own in enumerate(own) if is_own):
        weights = _changed(encoder, tuned, listeners[position])
        if not weights:
            notices.append(
                "This CLIPErase run trained nothing that a diffusion model reads (projections come after the token "
                "states): fine-tune the last blocks to change pictures."
            )
        listeners[position] = listeners[position].edited(weights=weights)
    return Carried(painter.hearing(tuple(listeners)), carried.maps, tuple(notices))


def _pulled_back(carried: Carried, closed_form: Projected[Any], encoder: OpenClipEncoder) -> Carried:
    """CCUP's own map, taken through the text projection of ``encoder``, which drives the pipeline."""
    token_map = pull_back(closed_form.projection, _text_projection(encoder.model))
    listeners = tuple(listener.edited(token_map=token_map) for listener in carried.painter.listeners)
    return Carried(carried.painter.hearing(listeners), (token_map,) * len(listeners), carried.notices)


def _solved(carried: Carried, own: Sequence[bool], solved: Callable[[Listener], TokenMap]) -> Carried:
    """CCUP ``solved`` for each text encoder, and where the denoiser reads its pooled state too, for that."""
    painter, notices = carried.painter, list(carried.notices)
    listeners, maps = [], []
    for position, listener in enumerate(painter.listeners):
        maps.append(solved(listener))
        edited = listener.edited(token_map=maps[-1])
        if painter.reads_pooled(position):
            pooled = solved(replace(listener, layer=None))
            edited = replace(replace(edited, layer=None).edited(token_map=pooled), layer=listener.layer)
        listeners.append(edited)
        if not own[position]:
            notices.append(
                f"CCUP was solved anew for {painter.known.clips[position]}, the text encoder of “{painter.name}”."
            )
    return Carried(painter.hearing(tuple(listeners)), tuple(maps), tuple(notices))


def _has_more(asked: CCUPSettings) -> bool:
    """Whether something was chosen that the token states do not follow."""
    return asked != CCUPSettings(strength=asked.strength, synonyms=asked.synonyms)


def drives(encoder: OpenClipEncoder, listener: Listener) -> bool:
    """Whether the pipeline's text encoder is ``encoder``'s text tower, number by number up to half precision."""
    try:
        tower = text_tower(encoder.model)
    except ModelError:
        return False
    theirs = listener.text_encoder.state_dict()
    ours = _under_their_names(state_dict(tower, listener.text_encoder.config.num_hidden_layers), listener)
    return all(
        key in theirs
        and theirs[key].shape == tensor.shape
        and torch.allclose(theirs[key].float().cpu(), tensor, rtol=2e-3, atol=2e-3)
        for key, tensor in ours.items()
    )


def _changed(encoder: OpenClipEncoder, tuned: OpenClipEncoder, listener: Listener) -> dict[str, Tensor]:
    """The text encoder's tensors that CLIPErase changed, under the pipeline's names and in its precision."""
    layers = listener.text_encoder.config.num_hidden_layers
    before, after = (
        _under_their_names(state_dict(text_tower(model.model), layers), listener) for model in (encoder, tuned)
    )
    dtype = listener.text_encoder.dtype
    return {key: tensor.to(dtype) for key, tensor in after.items() if not torch.equal(tensor, before[key])}


def _under_their_names(state: dict[str, Tensor], listener: Listener) -> dict[str, Tensor]:
    """Text encoders with a projection of their own (SDXL's second) keep the tower one level down."""
    nested = any(key.startswith("text_model.") for key in listener.text_encoder.state_dict())
    return {f"text_model.{key}": tensor for key, tensor in state.items()} if nested else state


def _text_projection(model: torch.nn.Module) -> Tensor:
    """W_t (width, d)."""
    found = final_projection(model, "text")
    weight: Tensor = model.state_dict()[found.weight]
    return weight if found.rows_are_inputs else weight.T


def baked_attention(carried: Carried) -> dict[str, Tensor]:
    """The denoiser's cross-attention weights with the maps in them, for pipelines elsewhere: no hook, no ``unlearn``.

    ``to_k`` and ``to_v`` are linear in the token states, so ``(c H) Wᵀ = c (W Hᵀ)ᵀ``: each weight (out, width) becomes
    ``W @ Hᵀ``. SDXL's denoiser reads the states of both encoders side by side, so there H is block-diagonal.
    """
    widths = [listener.text_encoder.config.hidden_size for listener in carried.painter.listeners]
    blocks = [torch.eye(w) if m is None else m.matrix for w, m in zip(widths, carried.maps, strict=True)]
    whole: Tensor = torch.block_diag(*blocks).double()  # type: ignore[no-untyped-call]
    weights = carried.painter.pipeline.unet.state_dict()
    return {
        key: (tensor.detach().cpu().double() @ whole.T).float()
        for key, tensor in weights.items()
        if key.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))
    }
