"""Paired CCUP: a closed form solved for both the image side and the text side of CLIP's score.

The left factor of the paper's CCUP is the concept's texts, and every image has some cosine with them because all texts
of CLIP are in one cone. The paired form solves for both factors. Concept k gets a functional l_k, which is 1 on images
of the concept and small on others, and a direction r_k, which carries the score of the concept's texts and little of
others. The projection

    P = I − α s Σ_k l_k r_kᵀ = I − α s L Rᵀ

changes the score of an image f with a text t by −α s Σ_k (f·l_k)(r_k·t): for retained concepts both factors are small,
and their product is smaller. No image is needed: the concept's name, centred about the mean, gives the direction of its
images. The factors are

    d_k  = unit(t_k − mean of all texts),
    L    = A⁻¹D (DᵀA⁻¹D + η ḡ I)⁻¹,   A = S/σ + ρ I,   S the retained texts' scatter about the mean, σ its mean
           eigenvalue, ḡ the mean of the diagonal of DᵀA⁻¹D                                     (functionals)
    r_k  = argmin_r  ‖r − d_k‖² + μ (d/n) ‖T_rᵀ r‖² + λ/m_k Σ_j (r·t_kj − d_k·t_k)²                (directions)

over the m_k ways t_kj of writing concept k, its name t_k among them, and the n retained texts T_r of d numbers.

A handful of texts determines neither the mean nor the directions in which texts vary, so the user's retain set is
extended by other words, each of less weight. A text of weight w counts as w texts in S, in the mean, in n and in T_r.

The edit changes the score, so it is applied to one side only, images or texts: applied to both, the second would undo
part of the effect of the first.

The gain s makes an image lose as much of the concept as it takes to score like an image of an unrelated concept, no
higher and no lower. Many concepts at once change the retained scores more, so s is lowered to limit that change.
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
    """Constants of the paired form, chosen once for all models, on other draws of forget sets than docs/measured.md's.

    `python -m unlearn bench defaults` measures nearby values on its own draws.

    Attributes:
        noise: ρ, the ridge that keeps a functional from fitting noise.
        overlap: η, the ridge that separates the functionals of similar concepts.
        least, most: bounds of s.
        budget: squared change of the retained scores, relative to the scores, that determines s between the bounds.
        others: weight of an additional word; a retained word has weight 1.
    """

    noise: float = 1.0
    overlap: float = 0.2
    least: float = 0.9
    most: float = 1.3
    budget: float = 0.013
    others: float = 0.1


CHOSEN = Constants()
#: A variance this small beside the texts' squared lengths is rounding: the texts are equal.
ROUNDING = 1e-9


@dataclass(frozen=True)
class RetainFactors:
    """Retained texts as columns (d, n), and the factors of both ridge problems over them.

    All that grows with the number of texts is ``texts`` itself, which is read only to remove some.

    Attributes:
        mean: weighted mean of the texts that were factored, (d,).
        texts: the texts that were factored, (d, n).
        roots: square roots of the texts' weights, (n,).
        scatter: S of those texts, (d, d).
        gram: T_r T_rᵀ of those texts, (d, d).
        images: A / ρ, and the centred texts that were removed from it.
        words: I + μ (d/n) T_r T_rᵀ, and the texts that were removed from it.
        constants: constants that both problems were factored with.
    """

    mean: Tensor
    texts: Tensor
    roots: Tensor
    scatter: Tensor
    gram: Tensor
    images: RetainFactor
    words: RetainFactor
    constants: Constants = CHOSEN

    @classmethod
    def fit(
        cls, texts: Tensor, mu: float, constants: Constants = CHOSEN, *, weights: Tensor | None = None
    ) -> RetainFactors:
        """Factor both problems for ``texts`` (d, n) with ``weights`` (n,), 1 by default."""
        d, n = texts.shape
        roots = (torch.ones(n) if weights is None else weights).double().sqrt()
        wide, total = texts.double() * roots, float(roots.square().sum())
        mean, gram = wide @ roots / total, wide @ wide.T
        scatter = gram - total * torch.outer(mean, mean)
        spread = float(scatter.trace() / d)
        # Of texts that are all equal, only rounding is left.
        scale = 1 / (constants.noise * spread) if spread > ROUNDING * float(gram.trace() / d) else 0.0
        images, words = RetainFactor.of_gram(scatter, scale), RetainFactor.of_gram(gram, mu * d / total)
        return cls(mean, texts, roots, scatter, gram, images, words, constants)

    @property
    def scores(self) -> float:
        """Summed squares of the scores of centred texts with texts, to which changes are relative."""
        # ‖CᵀT‖² = ⟨C Cᵀ, T Tᵀ⟩: two (d, d) matrices that are computed anyway instead of one (n, n) matrix.
        return float((self.scatter * self.gram).sum())

    def without(self, removed: Sequence[int]) -> RetainFactors:
        """Return the factors without the texts at the positions ``removed`` of ``texts``; mean and scale stay."""
        if not removed:
            return self
        places = list(removed)
        columns = self.texts[:, places].double() * self.roots[places]
        centred = columns - self.mean[:, None] * self.roots[places]
        return replace(self, images=self.images.without(centred), words=self.words.without(columns))


def fit(forget: Sequence[Tensor], retain: RetainFactors, *, lam: float = 1000.0, strength: float = 1.0) -> Projection:
    """Solve for P.

    Args:
        forget: for every concept its unit-norm texts as columns, (d, m_k), the name first.
        retain: factors of the retained texts.
        lam: λ.
        strength: α.

    Returns:
        The projection, float32, computed in float64; its rank is at most the number of concepts.
    """
    texts = [columns.double() for columns in forget]
    names = torch.stack([columns[:, 0] for columns in texts], dim=1)
    centres = F.normalize(names - retain.mean[:, None], dim=0)
    left = _functionals(centres, retain)
    right = _directions(centres, texts, retain.words, lam)
    return Projection((_gain(left, right, retain) * left).float(), right.float(), strength)


def _functionals(centres: Tensor, retain: RetainFactors) -> Tensor:
    """Return L, (d, k)."""
    solved = retain.images.solve(centres)
    gram = centres.T @ solved
    ridge = retain.constants.overlap * gram.diagonal().mean().clamp_min(torch.finfo(gram.dtype).tiny)
    functionals: Tensor = torch.linalg.solve(gram + ridge * torch.eye(len(gram), dtype=gram.dtype), solved.T).T
    return functionals


def _directions(centres: Tensor, texts: Sequence[Tensor], words: RetainFactor, lam: float) -> Tensor:
    """Return R, (d, k). By Woodbury's identity, each r_k takes a system of only as many unknowns as it has texts."""
    # One solve for all columns: texts removed from the factor cost the same for one column as for many.
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
    """Return s, the gain that spends the budget on retained texts in place of images, from ``least`` to ``most``."""
    # ‖Cᵀ L Rᵀ T‖² = ⟨Lᵀ C Cᵀ L, Rᵀ T Tᵀ R⟩: two (k, k) matrices instead of one (n, n) matrix.
    read = _products(left, retain.scatter, retain.images.removed)
    carried = _products(right, retain.gram, retain.words.removed)
    change = float((read * carried).sum())
    constants = retain.constants
    allowed = (constants.budget * retain.scores / change) ** 0.5 if change else constants.most
    return min(constants.most, max(constants.least, allowed))


def _products(columns: Tensor, gram: Tensor, removed: Tensor | None) -> Tensor:
    """Return Vᵀ(G − R Rᵀ)V for ``columns`` V (d, k), ``gram`` G (d, d) and ``removed`` R (d, r): (k, k)."""
    products = columns.T @ gram @ columns
    if removed is not None:
        without = removed.T @ columns
        products = products - without.T @ without
    return products
