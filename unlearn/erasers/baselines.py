"""Baselines that CCUP and CLIPErase are compared with, as edits of the joint space.

``none``    no edit: every measurement equals that of the original model
``random``  projects out as many random directions as the concepts have texts: an edit with no target
``leace``   LEACE (Belrose et al. 2023, arXiv 2306.03819): no linear classifier can tell the concepts from the features

LEACE learns from labelled images. It is fitted in its linear form, without a bias: the guarantee does not need one, and
CLIP's final projection has none that could absorb it.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from unlearn import late
from unlearn.clip.encoders import TextImageEncoder
from unlearn.clip.projection import Projection
from unlearn.concepts.prompts import surface_forms
from unlearn.concepts.selection import Selection
from unlearn.data.gallery import Gallery
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import BaselineSettings
from unlearn.errors import ImageError

#: Singular values below this share of the largest are treated as zero.
NEGLIGIBLE = 1e-5


def erase(
    encoder: TextImageEncoder, selection: Selection, settings: BaselineSettings, *, training: Gallery | None = None
) -> Erasure[BaselineSettings]:
    """Fit the baseline that ``settings`` names.

    Args:
        encoder: the model whose joint space is edited.
        selection: forget and retain set; only LEACE depends on which concepts are to be forgotten.
        settings: which baseline.
        training: labelled images, for LEACE.

    Raises:
        ImageError: LEACE has no image of a concept.
    """
    if settings.kind == "leace":
        projection = leace(*_labelled(encoder, selection, training))
    else:
        rank = sum(len(surface_forms(concept)) for concept in selection.forget) if settings.kind == "random" else 0
        projection = random_directions(encoder.embed_dim, rank, settings.seed)
    return Erasure("baseline", selection, settings, projection=projection.at(settings.strength))


def random_directions(dimension: int, rank: int, seed: int = 0) -> Projection:
    """Return the orthogonal projection that removes ``rank`` random directions, at most ``dimension`` of them."""
    generator = torch.Generator().manual_seed(seed)
    gaussian = torch.randn(dimension, min(rank, dimension), generator=generator, dtype=torch.float64)
    basis = torch.linalg.qr(gaussian).Q
    return Projection(basis.float(), basis.float())


def leace(features: Tensor, labels: Tensor) -> Projection:
    """Return the smallest change of ``features`` (n, d) that removes their correlation with ``labels`` (n, m).

    It is the result of the concept-erasure library as low-rank factors: P = I − left @ rightᵀ, which subtracts
    ``features @ left @ rightᵀ``.
    """
    with warnings.catch_warnings():
        # concept-erasure uses torch.jit, which warns at import that it is deprecated.
        warnings.simplefilter("ignore", FutureWarning)
        fitter = late.concept_erasure.LeaceFitter
    wide = labels.double()
    # Unit variance does not change the solution, and keeps rare concepts above the library's absolute tolerance.
    scaled = (wide - wide.mean(dim=0)) / wide.std(dim=0, correction=0)
    eraser = fitter.fit(features.double(), scaled, affine=False).eraser
    u, s, vh = torch.linalg.svd(eraser.proj_right.mH @ eraser.proj_left.mH)
    kept = s > NEGLIGIBLE * s[0]
    return Projection((u * s)[:, kept].float(), vh.mH[:, kept].float())


def _labelled(encoder: TextImageEncoder, selection: Selection, training: Gallery | None) -> tuple[Tensor, Tensor]:
    """Return the embeddings of ``training`` (n, d), and which concept to forget each image shows, (n, m)."""
    shown = {image.concept.casefold() for image in training} if training else set()
    missing = [name for name in selection.forget_names if name.casefold() not in shown]
    if training is None or missing:
        raise ImageError(
            f"LEACE learns from pictures, and there is none of “{missing[0] if missing else 'anything'}”; "
            "upload some, or erase it with CCUP, which needs words only."
        )
    targets = training.targets(selection.forget_names)
    return encoder.image_features(training), targets[:, None] == torch.arange(len(selection.forget))
