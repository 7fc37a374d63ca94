"""Time of a change of concept with the retain factor cached, compared with the plain library calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import count
from statistics import median

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from unlearn import late
from unlearn.bench.table import Table, machine, one_thread
from unlearn.clip.caching_encoder import CachingEncoder
from unlearn.clip.embeddings import unit_or_zero
from unlearn.clip.projection import Projection
from unlearn.concepts.selection import Vocabulary, select
from unlearn.erasers import ccup, paired
from unlearn.erasers.closed_form import RetainFactor, fit
from unlearn.evaluation.zero_shot import accuracy_of, true_label_ranks

DIMENSION, RETAINED, FORGOTTEN, IMAGES = 768, 1_000, 6, 1_000
LAM = MU = 100.0
#: Number of names of ImageNet-21k, and the width of the towers that usually read them.
NAMES, NAMES_DIMENSION = 21_841, 512


def run(quick: bool = False) -> Table:
    """Time CCUP at d = 768 with 1,000 retained texts on one core; ratios come from this one run."""
    with one_thread():
        generator = torch.Generator().manual_seed(0)
        texts = F.normalize(
            torch.randn(DIMENSION, RETAINED + FORGOTTEN, generator=generator)
            + 4 * torch.randn(DIMENSION, 1, generator=generator),
            dim=0,
        )
        t_f, t_r = texts[:, :FORGOTTEN], texts[:, FORGOTTEN:]
        factor = RetainFactor.fit(t_r, MU)
        downdated = RetainFactor.fit(texts, MU).without(t_f)
        around = paired.RetainFactors.fit(texts, MU).without(range(FORGOTTEN))
        a = torch.eye(DIMENSION, dtype=torch.float64) + MU * t_r.double() @ t_r.T.double()
        full = a + LAM * t_f.double() @ t_f.T.double()
        labels = torch.zeros(RETAINED + FORGOTTEN, dtype=torch.long)
        labels[:FORGOTTEN] = 1
        projection = fit(t_f, factor, lam=LAM)
        rows = texts.T.contiguous()
        labelled = torch.randint(len(rows), (IMAGES,), generator=generator)
        images = F.normalize(torch.randn(IMAGES, DIMENSION, generator=generator), dim=1)
        repeats = 5 if quick else 31
        timed = {
            "new strength, any form, and the accuracy then": _milliseconds(
                lambda: _accuracy(projection.at(0.5), rows, images, labelled), repeats
            ),
            "consistent, new concept, factor cached": _milliseconds(lambda: fit(t_f, factor, lam=LAM), repeats),
            "consistent, new concept taken out of the vocabulary's factor": _milliseconds(
                lambda: fit(t_f, downdated, lam=LAM), repeats
            ),
            "paired, new concept taken out of the vocabulary's factors": _milliseconds(
                lambda: paired.fit([t_f], around, lam=LAM), repeats
            ),
            "consistent, factor and solve": _milliseconds(
                lambda: fit(t_f, RetainFactor.fit(t_r, MU), lam=LAM), max(3, repeats // 4)
            ),
            "`torch.linalg.solve`, same system": _milliseconds(
                lambda: torch.linalg.solve(full, a), max(3, repeats // 4)
            ),
            "LEACE (`concept-erasure`), fit on as many vectors": _milliseconds(
                lambda: late.concept_erasure.LeaceFitter.fit(rows, labels).eraser, max(3, repeats // 4)
            ),
            f"paired, new concept among {NAMES:,} names, d = {NAMES_DIMENSION}": _among_many_names(
                max(3, repeats // 4)
            ),
        }
    reference = timed["consistent, new concept, factor cached"]
    return Table(
        name="speed",
        columns=("step", "median ms", "× consistent with its factor cached"),
        rows=tuple((name, f"{ms:.3g}", f"{ms / reference:.3g}") for name, ms in timed.items()),
        note=f"d = {DIMENSION}, {RETAINED:,} retained and {FORGOTTEN} forget texts, {IMAGES:,} pictures, one thread, "
        "seed 0, "
        f"median of {repeats} (the slow ones of fewer); {machine()}.",
    )


def _accuracy(projection: Projection, classes: Tensor, images: Tensor, targets: Tensor) -> float:
    """Return the accuracy after a move of the slider: embeddings are edited, and every image is classified again."""
    edited = unit_or_zero(projection.on_images(images))
    return accuracy_of(true_label_ranks(edited, classes, targets)).top1


class _RandomTexts(CachingEncoder):
    """A stand-in for a model: every text has a random embedding about a common mean."""

    name, embed_dim, logit_scale = "random texts", NAMES_DIMENSION, 100.0

    def __init__(self) -> None:
        self._generator = torch.Generator().manual_seed(0)
        self._mean = 4 * torch.randn(1, NAMES_DIMENSION, generator=self._generator)

    def encode_text(self, texts: Sequence[str]) -> Tensor:
        own = torch.randn(len(texts), NAMES_DIMENSION, generator=self._generator)
        return F.normalize(self._mean + own, dim=1)

    def encode_image(self, images: Sequence[Image.Image]) -> Tensor:
        return self.encode_text([""] * len(images))


def _among_many_names(repeats: int) -> float:
    """Return the time in milliseconds of an erasure of another name each time; all names are encoded before."""
    vocabulary, encoder = Vocabulary.of([f"name {number} of many" for number in range(NAMES)]), _RandomTexts()
    positions = count()

    def erase() -> None:
        ccup.erase(encoder, select(vocabulary.names[next(positions)], vocabulary=vocabulary), vocabulary=vocabulary)

    return _milliseconds(erase, repeats)


def _milliseconds(step: Callable[[], object], repeats: int) -> float:
    step()  # warms up allocations and lazy imports
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return 1e3 * median(times)
