"""Text encoders of diffusion pipelines that carry an erasure to the states that the denoiser reads.

An edited text encoder shares its weights with the original: tensors that fine-tuning changed are replaced, and a token
map is applied to its output. The pipeline's code is the library's, unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from unlearn.caching import ObjectCache
from unlearn.clip.weights import sharing_copy
from unlearn.concepts.prompts import prompts, surface_forms
from unlearn.concepts.selection import Selection, Vocabulary, load_vocabulary
from unlearn.erasers import token_gate
from unlearn.erasers.paired import CHOSEN
from unlearn.erasers.token_gate import GatedMap
from unlearn.erasers.token_states import TokenMap, ridge

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTokenizer

#: Templates of the sentences to forget, and of the sentences to retain. Backgrounds occur in the retain templates only:
#: in the others, "on a blue background" would be forgotten together with the concept before it.
TEMPLATES = ("{}", "a {}", "a picture of a {}")
RETAIN_TEMPLATES = ("a {}", "a picture of a {}", "a {} on a blue background", "a {} on a green background")
BATCH = 256
#: Positions whose states the gate's thresholds are taken from: the words of a sentence, and every eighth after them.
WORDS, EVERY = 16, 8
#: A map of token states, as a hook applies it.
StateMap = TokenMap | GatedMap


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """A text encoder of a pipeline, with its tokenizer and the layer that the denoiser reads.

    Attributes:
        layer: -1 for the last hidden state after the final norm (Stable Diffusion 1 and 2), -2 for the last but one
            hidden state without the norm (SDXL), None for the pooled, projected state that SDXL's denoiser reads too.
    """

    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    layer: int | None = -1

    @property
    def tokens(self) -> int:
        """Number of token states of a prompt."""
        return int(self.tokenizer.model_max_length)

    def token_ids(self, sentences: Sequence[str]) -> Tensor:
        """Return token ids (n, tokens), padded and truncated as the pipeline does."""
        encoded = self.tokenizer(
            list(sentences), padding="max_length", max_length=self.tokens, truncation=True, return_tensors="pt"
        )
        ids: Tensor = encoded.input_ids
        return ids

    @torch.inference_mode()
    def states(self, sentences: Sequence[str]) -> Tensor:
        """Return token states (n, tokens, width), or the pooled state (n, 1, width); float32 on the CPU."""
        rows = []
        for start in range(0, len(sentences), BATCH):
            ids = self.token_ids(sentences[start : start + BATCH]).to(self.text_encoder.device)
            out = self.text_encoder(ids, output_hidden_states=True)
            if self.layer is None:
                read = out.text_embeds[:, None]
            else:
                read = out.last_hidden_state if self.layer == -1 else out.hidden_states[self.layer]
            rows.append(read.float().cpu())
        return torch.cat(rows)

    def edited(self, *, weights: dict[str, Tensor] | None = None, token_map: StateMap | None = None) -> TextEncoder:
        """Return a text encoder with the same tensors except ``weights``, whose states pass through ``token_map``."""
        copied: Any = sharing_copy(self.text_encoder, weights or {})
        if token_map is not None:
            copied.register_forward_hook(_Mapped(token_map, self.layer), with_kwargs=False)
        return replace(self, text_encoder=copied)


@dataclass(frozen=True)
class _Mapped:
    """A forward hook that applies a map to the states that the denoiser reads."""

    token_map: StateMap
    layer: int | None

    def __call__(self, module: nn.Module, inputs: Any, output: Any) -> Any:
        if self.layer is None:
            output.text_embeds = self.token_map.on_states(output.text_embeds)
        elif self.layer == -1:
            output.last_hidden_state = self.token_map.on_states(output.last_hidden_state)
        else:
            hidden = list(output.hidden_states)
            hidden[self.layer] = self.token_map.on_states(hidden[self.layer])
            output.hidden_states = tuple(hidden)
        return output


@dataclass(frozen=True)
class RidgeSettings:
    """Settings of CCUP on token states; the defaults were chosen by measuring (see docs/measured.md).

    Attributes:
        lam: λ, weight of forgetting.
        mu: μ, weight of retaining.
        anchor: the sentence whose states replace those of the concept.
    """

    lam: float = 100.0
    mu: float = 10.0
    anchor: str = ""


@dataclass(frozen=True)
class RetainedStates:
    """States of sentences about some names.

    Attributes:
        outer: sum of their outer products, (width, width).
        total: their sum, (width,).
        count: their number.
        sample: half-precision states (names, sentences, positions, width) at the positions of :data:`WORDS`.
    """

    outer: Tensor
    total: Tensor
    count: int
    sample: Tensor


_retained: ObjectCache[RetainedStates] = ObjectCache(most=8)


def solve(
    text_encoder: TextEncoder,
    selection: Selection,
    *,
    vocabulary: Vocabulary | None = None,
    strength: float = 1.0,
    synonyms: bool = True,
    settings: RidgeSettings | None = None,
) -> TokenMap:
    """Solve CCUP on the token states of ``text_encoder``, of any CLIP model, without images or training.

    Args:
        text_encoder: the text encoder.
        selection: forget and retain set; CCUP's additional words are retained too, with the same weight as in CCUP.
        vocabulary: if the retain set is most of it, the vocabulary's states are cached.
        strength: α.
        synonyms: whether plural and synonyms of a concept are erased with it.
        settings: λ, μ and the anchor sentence.
    """
    settings, vocabulary = settings or RidgeSettings(), vocabulary or load_vocabulary()
    forms = _forms(selection, synonyms)
    forget, targets = _forget_rows(text_encoder, forms, settings.anchor)
    retain, _ = _retain_moments(text_encoder, selection, vocabulary)
    return ridge(forget, targets, retain, lam=settings.lam, mu=settings.mu, strength=strength)


def behind_gate(
    token_map: TokenMap,
    text_encoder: TextEncoder,
    selection: Selection,
    *,
    vocabulary: Vocabulary | None = None,
    synonyms: bool = True,
) -> GatedMap:
    """Put ``token_map``, which :func:`solve` returned for the same arguments, behind a gate.

    See :mod:`unlearn.erasers.token_gate`.
    """
    vocabulary = vocabulary or load_vocabulary()
    outer, mean = _retain_moments(text_encoder, selection, vocabulary)
    forms = _forms(selection, synonyms)
    gate = token_gate.fit(
        [_forget_rows(text_encoder, [form], "")[0] for form in forms],
        [text_encoder.states(prompts(form, TEMPLATES)) for form in forms],
        _retained_sample(text_encoder, selection, vocabulary),
        mean,
        outer - torch.outer(mean, mean),
    )
    return GatedMap(token_map, gate)


def _forms(selection: Selection, synonyms: bool) -> list[str]:
    return [form for concept in selection.forget for form in surface_forms(concept, synonyms=synonyms)]


def _forget_rows(text_encoder: TextEncoder, forms: Sequence[str], anchor: str) -> tuple[Tensor, Tensor]:
    """Return the states of all ``forms``, each from its first token to the end, and the anchor's at these positions."""
    sentences = [(form, sentence) for form in forms for sentence in prompts(form, TEMPLATES)]
    states, neutral = text_encoder.states([sentence for _, sentence in sentences]), text_encoder.states([anchor])[0]
    before = text_encoder.token_ids([sentence[: sentence.rindex(form)] for form, sentence in sentences])
    whole = text_encoder.token_ids([sentence for _, sentence in sentences])
    # The tokens that the sentence shares with its part before the concept carry no information about the concept.
    agree = (before == whole).int().cumprod(dim=1).sum(dim=1)
    first = [0] * len(sentences) if text_encoder.layer is None else agree.tolist()
    rows = [state[start:] for state, start in zip(states, first, strict=True)]
    return torch.cat(rows), torch.cat([neutral[start:] for start in first])


def _retain_moments(text_encoder: TextEncoder, selection: Selection, vocabulary: Vocabulary) -> tuple[Tensor, Tensor]:
    """Return the mean outer product (width, width) and the mean (width,) of the retained states."""
    names, removed = selection.retained_of(vocabulary)
    whole, more = _remembered(text_encoder, names), _remembered(text_encoder, selection.surroundings)
    less = _states_of(text_encoder, [names[i] for i in removed])
    count = whole.count - less.count + CHOSEN.others * more.count
    outer = (whole.outer - less.outer + CHOSEN.others * more.outer) / count
    return outer, (whole.total - less.total + CHOSEN.others * more.total) / count


def _retained_sample(text_encoder: TextEncoder, selection: Selection, vocabulary: Vocabulary) -> Tensor:
    """Return states of the retained prompts, (n, positions, width)."""
    names, removed = selection.retained_of(vocabulary)
    kept = [i for i in range(len(names)) if i not in set(removed)]
    parts = [_remembered(text_encoder, names).sample[kept], _remembered(text_encoder, selection.surroundings).sample]
    return torch.cat([part.flatten(0, 1) for part in parts if len(part)])


def _remembered(text_encoder: TextEncoder, names: Sequence[str]) -> RetainedStates:
    """Return :func:`_states_of` from a cache for each text encoder and layer."""
    return _retained.get(
        text_encoder.text_encoder, (tuple(names), text_encoder.layer), lambda: _states_of(text_encoder, names)
    )


def _states_of(text_encoder: TextEncoder, names: Sequence[str]) -> RetainedStates:
    """Encode the sentences about ``names``."""
    outer, total, count, sample = torch.zeros(1), torch.zeros(1), 0, [torch.zeros(0)]
    sentences = [sentence for name in names for sentence in prompts(name, RETAIN_TEMPLATES)]
    for start in range(0, len(sentences), BATCH):
        states = text_encoder.states(sentences[start : start + BATCH])
        positions = [t for t in range(states.shape[1]) if t < WORDS or t % EVERY == 0]
        sample.append(states[:, positions].half())
        rows = states.flatten(0, 1).double()
        outer, total, count = outer + rows.T @ rows, total + rows.sum(dim=0), count + len(rows)
    if not names:
        return RetainedStates(outer, total, count, sample[0])
    whole = torch.cat(sample[1:])
    return RetainedStates(outer, total, count, whole.view(len(names), len(RETAIN_TEMPLATES), *whole.shape[1:]))
