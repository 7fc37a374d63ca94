"""A gate before the map of token states: prompts that say nothing of an erased concept stay as they were, bit by bit.

The linear map of :mod:`unlearn.erasers.token_states` moves every state a little, and so changes every image. The gate
reads how far a prompt speaks of a concept, and lets the map act only so far:

    x + g (x H − x),    g = max_k clamp((max_t s_k(x_t) − lo_k) / (hi_k − lo_k), 0, 1),    s_k(x) = w_k·(x − m)

over the tokens t of the prompt and the written forms k of the concepts ("cat", "cats", "kitten"). Each w_k is Fisher's
linear discriminant between the form's states and the retained ones,

    w_k ∝ (Σ + ε I)⁻¹ (m_k − m),    w_k·(m_k − m) = 1,    ε = 0.01 tr Σ / width,

with the mean m and the covariance Σ of all retained states. With r_k the largest score that any retained prompt
reaches, neighbours among them, and f_k the smallest that a prompt with the form reaches, the gate begins to open a
little above r_k and is open well below f_k, for wordings that no one has listed:

    lo_k = r_k + 0.05 (f_k − r_k),    hi_k = r_k + 0.15 (f_k − r_k).

Where a retained prompt comes too near (r_k above f_k / 2, as a retained synonym does), f_k / 2 stands in place of r_k,
and the gate opens for that prompt too. The gate is not linear in the states, so the denoiser's weights cannot hold it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn.erasers.token_states import TokenMap

#: ε as a share of the mean eigenvalue of Σ, and the shares of the way from r_k to f_k where the gate begins and ends.
RIDGE, BEGINS, ENDS = 0.01, 0.05, 0.15
#: Retained prompts scored at once.
CHUNK = 256


@dataclass(frozen=True)
class TokenGate:
    """Readers of k forms: ``mean`` (width,), ``readers`` (width, k), thresholds ``low`` and ``high`` (k,)."""

    mean: Tensor
    readers: Tensor
    low: Tensor
    high: Tensor

    def opening(self, states: Tensor) -> Tensor:
        """Return g for each prompt, (n,), from 0 to 1, for its states (n, tokens, width)."""
        scores = prompt_scores(states, self.mean, self.readers)
        low, high = self.low.to(scores.device), self.high.to(scores.device)
        return ((scores - low) / (high - low)).clamp(0, 1).amax(dim=1)


@dataclass(frozen=True)
class GatedMap:
    """A token map behind a gate."""

    token_map: TokenMap
    gate: TokenGate

    def on_states(self, states: Tensor) -> Tensor:
        """Return the mapped states (n, tokens, width), or pooled states (n, width); exactly ``states`` where g is 0."""
        tokens = states if states.ndim == 3 else states[:, None]
        opening = self.gate.opening(tokens).to(states.dtype)[:, None, None]
        mapped = tokens + opening * (self.token_map.on_states(tokens) - tokens)
        return torch.where(opening > 0, mapped, tokens).view_as(states)


def prompt_scores(states: Tensor, mean: Tensor, readers: Tensor) -> Tensor:
    """Return the largest score of any token for each prompt and reader, (n, k), float32."""
    centred = states.float() - mean.to(states.device, torch.float32)
    return (centred @ readers.to(states.device)).amax(dim=1)


def fit(
    rows: Sequence[Tensor], prompts: Sequence[Tensor], retained: Tensor, mean: Tensor, covariance: Tensor
) -> TokenGate:
    """Fit a reader and its thresholds to each written form.

    Args:
        rows: for each form the states that carry it, (n_k, width).
        prompts: for each form the states of its prompts, (m_k, tokens, width).
        retained: states of retained prompts, (n, tokens, width), any float type.
        mean: m, (width,).
        covariance: Σ, (width, width).
    """
    centre, spread = mean.double(), covariance.double()
    system = spread + RIDGE * spread.trace() / len(spread) * torch.eye(len(spread), dtype=torch.float64)
    means = torch.stack([states.double().mean(dim=0) - centre for states in rows], dim=1)
    readers = torch.linalg.solve(system, means)
    readers = (readers / (readers * means).sum(dim=0)).float()
    reached = torch.stack([prompt_scores(prompts[k], mean, readers)[:, k].min() for k in range(len(prompts))])
    chunks = (retained[start : start + CHUNK] for start in range(0, len(retained), CHUNK))
    others = torch.stack([prompt_scores(chunk, mean, readers).amax(dim=0) for chunk in chunks]).amax(dim=0)
    others = torch.minimum(others, reached / 2)
    return TokenGate(mean.float(), readers, *(others + share * (reached - others) for share in (BEGINS, ENDS)))
