"""Paired CCUP: the same kind of closed form, solved on both sides of the score, so that the edit acts where they meet.

CCUP's own left factor is the concept's texts as they are, and every picture has a share of those: all texts of CLIP
lie in one cone. Here both factors are solved for. Concept k gets a functional l_k, which reads 1 on its pictures and
little on others, and a direction r_k, which carries the score of its texts and little of others; the projection

    P = I − α s Σ_k l_k r_kᵀ = I − α s L Rᵀ

changes the score of a picture f with a text t by −α s Σ_k (f·l_k)(r_k·t): for what is retained both are small, and
their product is smaller. No picture is needed: where a concept's pictures lie is told by its name about the mean,

    d_k  = unit(t_k − mean of all texts),
    L    = A⁻¹D (DᵀA⁻¹D + η ḡ I)⁻¹,   A = S/σ + ρ I,   S the retained texts' scatter about the mean, σ its mean
           eigenvalue, ḡ the mean of the diagonal of DᵀA⁻¹D                                     (functionals)
    r_k  = argmin_r  ‖r − d_k‖² + μ (d/n) ‖T_rᵀ r‖² + λ/m_k Σ_j (r·t_kj − d_k·t_k)²                (directions)

over the m_k ways t_kj of writing concept k, its name t_k among them, and the n retained texts T_r of d numbers.

A handful of texts says neither where the mean is nor in which directions texts vary, so what is retained is more than
what a visitor wants kept: it is filled up with other words, each of less weight. A text of weight w counts as w texts,
in S, in the mean, in n and in T_r.

The change is one of the score, so it is made on one side, pictures or texts: made on both, the overshoot would be taken
back.

The overshoot s lets a picture lose as much of the concept as it takes to stand where a stranger stands, no better and
no worse. Many concepts at once leave less room, so s is lowered as the change of the retained scores demands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from unlearn.clip.projection import Projection
from unlearn.erasers.closed_form import RetainFactor


@dataclass(frozen=True)
class Constants:
    """What the form leaves open; chosen once, for all models, on other draws of forget sets than the README's.

    `python -m unlearn bench defaults` measures the neighbourhood of the choice on draws of its own.

    Attributes:
        noise: ρ, the ridge that keeps a functional from reading noise.
        overlap: η, the ridge that keeps the functionals of near concepts apart.
        least, most: bounds of s.
        budget: squared change of the retained scores, relative to the scores, that decides between the bounds.
        others: weight of a word that fills up, where one that is retained has 1.
    """

    noise: float = 1.0
    overlap: float = 0.2
    least: float = 0.9
    most: float = 1.3
    budget: float = 0.013
    others: float = 0.1


CHOSEN = Constants()


@dataclass(frozen=True)
class RetainFactors:
    """What an erasure shall leave alone: retained texts as columns (d, n), and both ridge problems factored over them.

    Attributes:
        mean: of the texts that were factored, (d,).
        texts: the retained texts, (d, n), each times its root.
        roots: square roots of their weights, (n,).
        pictures: A / ρ.
        words: I + μ (d/n) T_r T_rᵀ.
        scores: summed squares of the scores of centred texts with texts; what a change is measured against.
        constants: what both were factored with.
    """

    mean: Tensor
    texts: Tensor
    roots: Tensor
    pictures: RetainFactor
    words: RetainFactor
    scores: float
    constants: Constants = CHOSEN

    @classmethod
    def fit(
        cls, texts: Tensor, mu: float, constants: Constants = CHOSEN, *, weights: Tensor | None = None
    ) -> RetainFactors:
        """Factor both problems for ``texts`` (d, n), each of weight 1 or of its own among ``weights`` (n,)."""
        d, n = texts.shape
        roots = (torch.ones(n) if weights is None else weights).double().sqrt()
        wide, total = texts.double() * roots, float(roots.square().sum())
        mean = wide @ roots / total
        centred = wide - mean[:, None] * roots
        scatter, gram = centred @ centred.T, wide @ wide.T
        spread = float(scatter.trace() / d)
        pictures = RetainFactor.of_gram(scatter, 1 / (constants.noise * spread) if spread else 0.0)
        words = RetainFactor.of_gram(gram, mu * d / total)
        # ‖CᵀT‖² = ⟨C Cᵀ, T Tᵀ⟩: two (d, d) that are there anyway, in place of one (n, n).
        return cls(mean, wide, roots, pictures, words, float((scatter * gram).sum()), constants)

    @property
    def centred(self) -> Tensor:
        """The retained texts about the mean, (d, n), each times its root."""
        return self.texts - self.mean[:, None] * self.roots

    def without(self, removed: Sequence[int]) -> RetainFactors:
        """The same less the texts at the positions ``removed``; nothing is factored again, mean and scale stay."""
        if not removed:
            return self
        kept = torch.ones(self.texts.shape[1], dtype=torch.bool)
        kept[list(removed)] = False
        return replace(
            self,
            texts=self.texts[:, kept],
            roots=self.roots[kept],
            pictures=self.pictures.without(self.centred[:, ~kept]),
            words=self.words.without(self.texts[:, ~kept]),
        )


def fit(forget: Sequence[Tensor], retain: RetainFactors, *, lam: float = 1000.0, strength: float = 1.0) -> Projection:
    """Solve for P.

    Args:
        forget: for every concept its texts as columns, (d, m_k), unit norm, the name first.
        retain: what is left alone.
        lam: λ.
        strength: α.

    Returns:
        The projection, of rank at most the number of concepts, float32; computed in float64.
    """
    texts = [columns.double() for columns in forget]
    names = torch.stack([columns[:, 0] for columns in texts], dim=1)
    centres = F.normalize(names - retain.mean[:, None], dim=0)
    left = _functionals(centres, retain)
    right = _directions(centres, texts, retain.words, lam)
    return Projection((_gain(left, right, retain) * left).float(), right.float(), strength)


def _functionals(centres: Tensor, retain: RetainFactors) -> Tensor:
    """L, (d, k)."""
    solved = retain.pictures.solve(centres)
    gram = centres.T @ solved
    ridge = retain.constants.overlap * gram.diagonal().mean().clamp_min(torch.finfo(gram.dtype).tiny)
    functionals: Tensor = torch.linalg.solve(gram + ridge * torch.eye(len(gram), dtype=gram.dtype), solved.T).T
    return functionals


def _directions(centres: Tensor, texts: Sequence[Tensor], words: RetainFactor, lam: float) -> Tensor:
    """R, (d, k): by Woodbury's identity each r_k costs a system as small as the concept has texts."""
    # All at once: texts taken out of the factor cost the same for one column as for many.
    solved = words.solve(torch.cat([centres, *texts], dim=1))
    directions, start = [], len(texts)
    for k, columns in enumerate(texts):
        m = columns.shape[1]
        centre, free, reach = centres[:, k], solved[:, k], solved[:, start : start + m]
        start += m
        inner = m / lam * torch.eye(m, dtype=torch.float64) + columns.T @ reach
        missing = (centre @ columns[:, 0]) - columns.T @ free
        directions.append(free + reach @ torch.linalg.solve(inner, missing))
    return torch.stack(directions, dim=1)


def _gain(left: Tensor, right: Tensor, retain: RetainFactors) -> float:
    """s: as far as the scores of the retained texts, taken for pictures, allow."""
    read, carried = retain.centred.T @ left, retain.texts.T @ right
    # ‖Cᵀ L Rᵀ T‖² = ⟨Lᵀ C Cᵀ L, Rᵀ T Tᵀ R⟩: two (k, k) in place of one (n, n).
    change = float(((read.T @ read) * (carried.T @ carried)).sum())
    constants = retain.constants
    allowed = (constants.budget * retain.scores / change) ** 0.5 if change else constants.most
    return min(constants.most, max(constants.least, allowed))
