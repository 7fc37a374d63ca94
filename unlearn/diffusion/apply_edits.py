"""Application of the active edits to a diffusion pipeline, with notices about edits that do not affect images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.final_projections import final_projection
from unlearn.clip.projection import Projection
from unlearn.clip.text_tower import state_dict, text_tower
from unlearn.concepts.selection import Vocabulary
from unlearn.diffusion.conditioning import RidgeSettings, StateMap, TextEncoder, behind_gate, solve
from unlearn.erasers.settings import CARRY_METHODS, CCUPSettings
from unlearn.erasers.token_gate import GatedMap
from unlearn.erasers.token_states import TokenMap, pull_back
from unlearn.errors import ModelError, require_choice

if TYPE_CHECKING:
    from unlearn.diffusion.pipelines import LoadedPipeline
    from unlearn.erasers.erasure import Erasure

#: Notice about the settings that do not affect a solution on the token states.
OF_THE_SCORE = (
    "The drawing follows concepts, retain set, strength and synonyms. Form, side, λ and μ are of CLIP's own score; on "
    "the token states CCUP has one form, and a λ and μ of its own."
)


@dataclass(frozen=True, eq=False)
class EditedPipeline:
    """A pipeline with the edits in its text encoders, and notices for the user.

    Attributes:
        maps: for each text encoder the map of its token states, or None.
        pooled: for each the map of its pooled state, where the denoiser reads that too.
    """

    loaded: LoadedPipeline
    maps: tuple[StateMap | None, ...]
    notices: tuple[str, ...]
    pooled: tuple[StateMap | None, ...] = ()

    @property
    def is_gated(self) -> bool:
        """True if a map acts behind a gate, so that no weights hold it."""
        return any(isinstance(token_map, GatedMap) for token_map in self.maps)


def apply_to_pipeline(
    loaded: LoadedPipeline,
    encoder: OpenClipEncoder,
    *,
    closed_form: Erasure[Any] | None = None,
    tuned: OpenClipEncoder | None = None,
    carry_method: str = "gated",
    vocabulary: Vocabulary | None = None,
    settings: RidgeSettings | None = None,
) -> EditedPipeline:
    """Return ``loaded`` with the edits of ``encoder`` in its text encoders; shared weights do not change.

    Args:
        loaded: the pipeline.
        encoder: the CLIP model that was edited, in its original state.
        closed_form: CCUP's edit; it is solved again for each text encoder, even if that is from another CLIP model.
        tuned: ``encoder`` fine-tuned by CLIPErase.
        carry_method: one of :data:`unlearn.erasers.settings.CARRY_METHODS`; ``pull_back`` requires that the pipeline
            uses ``encoder``'s text tower.
        vocabulary: see :func:`unlearn.diffusion.conditioning.solve`.
        settings: settings of the solution on the token states.

    Raises:
        ModelError: the edit cannot be carried to the pipeline; the message says why.
    """
    require_choice("carry method", carry_method, tuple(CARRY_METHODS))
    own = [drives(encoder, text_encoder) for text_encoder in loaded.text_encoders]
    edited_pipeline = EditedPipeline(loaded, (None,) * len(own), ())
    if tuned is not None:
        edited_pipeline = _with_tuned_tower(edited_pipeline, own, encoder, tuned)
    if closed_form is None or closed_form.projection is None:
        return edited_pipeline
    if carry_method != "pull_back":
        selection, asked = closed_form.selection, closed_form.settings
        about: Any = {"vocabulary": vocabulary, "synonyms": asked.synonyms}

        def solved(text_encoder: TextEncoder) -> StateMap:
            token_map = solve(text_encoder, selection, strength=asked.strength, settings=settings, **about)
            return token_map if carry_method == "ridge" else behind_gate(token_map, text_encoder, selection, **about)

        edited_pipeline = _solved(edited_pipeline, own, solved)
        aside = (OF_THE_SCORE,) if _has_more(asked) else ()
        return replace(edited_pipeline, notices=edited_pipeline.notices + aside)
    if not all(own):
        raise ModelError(
            f"CCUP can be pulled back only where “{encoder.name}” itself drives the pipeline; “{loaded.name}” "
            f"is driven by {loaded.known.clips[own.index(False)]}. Solve on the states instead (gated or ridge)."
        )
    return _pulled_back(edited_pipeline, closed_form.projection, tuned or encoder)


def _with_tuned_tower(
    edited_pipeline: EditedPipeline, own: Sequence[bool], encoder: OpenClipEncoder, tuned: OpenClipEncoder
) -> EditedPipeline:
    """Replace the text towers that are ``encoder``'s by the text tower that CLIPErase fine-tuned."""
    loaded = edited_pipeline.loaded
    if not any(own):
        raise ModelError(
            f"CLIPErase's edit of “{encoder.name}” cannot be carried to “{loaded.name}”: its text encoder is "
            f"another CLIP ({', '.join(loaded.known.clips)}). CCUP can, as it is solved again for any of them."
        )
    text_encoders, notices = list(loaded.text_encoders), list(edited_pipeline.notices)
    for position in (position for position, is_own in enumerate(own) if is_own):
        weights = _changed(encoder, tuned, text_encoders[position])
        if not weights:
            notices.append(
                "This CLIPErase run trained nothing that this diffusion model reads (projections come after the token "
                "states): fine-tune the text tower to change pictures."
            )
        text_encoders[position] = text_encoders[position].edited(weights=weights)
    return EditedPipeline(loaded.with_text_encoders(tuple(text_encoders)), edited_pipeline.maps, tuple(notices))


def _pulled_back(edited_pipeline: EditedPipeline, projection: Projection, encoder: OpenClipEncoder) -> EditedPipeline:
    """Apply CCUP's own map, pulled back through the text projection of ``encoder``, the pipeline's CLIP model."""
    token_map = pull_back(projection, _text_projection(encoder.model))
    text_encoders = tuple(
        text_encoder.edited(token_map=token_map) for text_encoder in edited_pipeline.loaded.text_encoders
    )
    return EditedPipeline(
        edited_pipeline.loaded.with_text_encoders(text_encoders),
        (token_map,) * len(text_encoders),
        edited_pipeline.notices,
    )


def _solved(
    edited_pipeline: EditedPipeline, own: Sequence[bool], solved: Callable[[TextEncoder], StateMap]
) -> EditedPipeline:
    """Apply CCUP, ``solved`` for each text encoder and also for its pooled state if the denoiser reads that."""
    loaded, notices = edited_pipeline.loaded, list(edited_pipeline.notices)
    text_encoders, maps, pooled = [], list[StateMap | None](), list[StateMap | None]()
    for position, text_encoder in enumerate(loaded.text_encoders):
        maps.append(solved(text_encoder))
        pooled.append(solved(replace(text_encoder, layer=None)) if loaded.reads_pooled(position) else None)
        edited = text_encoder.edited(token_map=maps[-1])
        if pooled[-1]:
            edited = replace(replace(edited, layer=None).edited(token_map=pooled[-1]), layer=text_encoder.layer)
        text_encoders.append(edited)
        if not own[position]:
            notices.append(
                f"CCUP was solved again for {loaded.known.clips[position]}, the text encoder of “{loaded.name}”."
            )
    edited_loaded = loaded.with_text_encoders(tuple(text_encoders))
    return EditedPipeline(edited_loaded, tuple(maps), tuple(notices), tuple(pooled))


def _has_more(asked: CCUPSettings) -> bool:
    """Return True if a setting was changed that has no effect on the token states."""
    return asked != CCUPSettings(strength=asked.strength, synonyms=asked.synonyms)


def drives(encoder: OpenClipEncoder, text_encoder: TextEncoder) -> bool:
    """Return True if the pipeline's text encoder has the weights of ``encoder``'s text tower, up to half precision."""
    try:
        ours = _as_theirs(encoder, text_encoder)
    except ModelError:
        return False
    theirs = text_encoder.text_encoder.state_dict()
    return all(
        key in theirs
        and theirs[key].shape == tensor.shape
        and torch.allclose(theirs[key].float().cpu(), tensor, rtol=2e-3, atol=2e-3)
        for key, tensor in ours.items()
    )


def _changed(encoder: OpenClipEncoder, tuned: OpenClipEncoder, text_encoder: TextEncoder) -> dict[str, Tensor]:
    """Return the text encoder's tensors that CLIPErase changed, with the pipeline's names and precision."""
    before, after = (_as_theirs(model, text_encoder) for model in (encoder, tuned))
    dtype = text_encoder.text_encoder.dtype
    return {key: tensor.to(dtype) for key, tensor in after.items() if not torch.equal(tensor, before[key])}


def _as_theirs(encoder: OpenClipEncoder, text_encoder: TextEncoder) -> dict[str, Tensor]:
    """Return the weights of ``encoder``'s text tower under the names of the pipeline's ``text_encoder``.

    A text encoder with a projection of its own (SDXL's second) has a prefix before all other names.

    Raises:
        ModelError: the tower is not CLIP's causal transformer.
    """
    theirs = text_encoder.text_encoder
    state = state_dict(text_tower(encoder.model), theirs.config.num_hidden_layers)
    if not hasattr(theirs, "text_projection"):
        return state
    projection = _text_projection(encoder.model).T.detach().to("cpu", torch.float32, copy=True)
    return {f"text_model.{key}": tensor for key, tensor in state.items()} | {"text_projection.weight": projection}


def _text_projection(model: torch.nn.Module) -> Tensor:
    """Return W_t, (width, d)."""
    found = final_projection(model, "text")
    weight: Tensor = model.state_dict()[found.weight]
    return weight if found.rows_are_inputs else weight.T


def baked_attention(edited_pipeline: EditedPipeline) -> dict[str, Tensor]:
    """Return the denoiser's cross-attention weights with the maps merged in, for use without hooks or ``unlearn``.

    ``to_k`` and ``to_v`` are linear in the token states, so ``(c H) Wᵀ = c (W Hᵀ)ᵀ``: each weight (out, width) becomes
    ``W @ Hᵀ``. SDXL's denoiser reads the concatenated states of both encoders, so for SDXL H is block-diagonal.

    Raises:
        ModelError: a map is gated.
    """
    if edited_pipeline.is_gated:
        raise ModelError(
            "A gated map is not linear, so no weights hold it; carry CCUP by ridge, or take the gate's file."
        )
    widths = [text_encoder.text_encoder.config.hidden_size for text_encoder in edited_pipeline.loaded.text_encoders]
    maps = [token_map if isinstance(token_map, TokenMap) else None for token_map in edited_pipeline.maps]
    blocks = [torch.eye(w) if m is None else m.matrix for w, m in zip(widths, maps, strict=True)]
    whole: Tensor = torch.block_diag(*blocks).double()  # type: ignore[no-untyped-call]
    weights = edited_pipeline.loaded.pipeline.unet.state_dict()
    return {
        key: (tensor.detach().cpu().double() @ whole.T).float()
        for key, tensor in weights.items()
        if key.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))
    }
