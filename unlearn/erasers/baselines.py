"""What CCUP and CLIPErase stand beside: edits of the joint space that do nothing, anything, or all a linear one can.

``none``    nothing; every measurement of it is the original's
``random``  as many random directions projected out as the concepts have texts: an edit that aims at nothing
``leace``   LEACE (Belrose et al. 2023, arXiv 2306.03819): features from which no linear classifier tells the concepts

LEACE learns from labelled pictures. It is fitted in its linear form: the guarantee needs no bias, and CLIP's final
projection has none to carry it.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from unlearn.clip.encoders import TextImageEncoder
from unlearn.clip.projection import Projection
from unlearn.concepts.selection import Selection, surface_forms
from unlearn.data.gallery import Gallery
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import BaselineSettings
from unlearn.errors import PictureError

#: Singular values below this share of the largest carry nothing.
NEGLIGIBLE = 1e-5


def erase(
    encoder: TextImageEncoder, selection: Selection, settings: BaselineSettings, *, training: Gallery | None = None
) -> Erasure[BaselineSettings]:
    """Fit the baseline that ``settings`` names.

    Args:
        encoder: the model whose joint space is edited.
        selection: forget and retain set; only LEACE looks at what is to be forgotten.
        settings: which baseline.
        training: labelled pictures, for LEACE.

    Raises:
        PictureError: LEACE has no picture of a concept.
    """
    if settings.kind == "leace":
        projection = leace(*_labelled(encoder, selection, training))
    else:
        rank = sum(len(surface_forms(concept)) for concept in selection.forget) if settings.kind == "random" else 0
        projection = random_directions(encoder.embed_dim, rank, settings.seed)
    return Erasure("baseline", selection, settings, projection=projection.at(settings.strength))


def random_directions(dimension: int, rank: int, seed: int = 0) -> Projection:
    """The orthogonal projection off ``rank`` random directions, all of them where there are fewer."""
    generator = torch.Generator().manual_seed(seed)
    gaussian = torch.randn(dimension, min(rank, dimension), generator=generator, dtype=torch.float64)
    basis = torch.linalg.qr(gaussian).Q
    return Projection(basis.float(), basis.float())


def leace(features: Tensor, labels: Tensor) -> Projection:
    """The least change of ``features`` (n, d) after which they do not correlate with ``labels`` (n, m).

    The library's result, as low-rank factors: P = I − left @ rightᵀ, where ``features @ left @ rightᵀ`` is taken away.
    """
    with warnings.catch_warnings():
        # concept-erasure decorates with torch.jit, which says at import that its days are numbered.
        warnings.simplefilter("ignore", FutureWarning)
        from concept_erasure import LeaceFitter
    wide = labels.double()
    # Of unit variance: the solution is the same, and the library's absolute tolerance spares rare concepts.
    scaled = (wide - wide.mean(dim=0)) / wide.std(dim=0, correction=0)
    eraser = LeaceFitter.fit(features.double(), scaled, affine=False).eraser
    u, s, vh = torch.linalg.svd(eraser.proj_right.mH @ eraser.proj_left.mH)
    kept = s > NEGLIGIBLE * s[0]
    return Projection((u * s)[:, kept].float(), vh.mH[:, kept].float())


def _labelled(encoder: TextImageEncoder, selection: Selection, training: Gallery | None) -> tuple[Tensor, Tensor]:
    """Embeddings of ``training`` (n, d), and of which concept to forget each picture is, (n, m)."""
    shown = {picture.concept.casefold() for picture in training} if training else set()
    missing = [name for name in selection.forget_names if name.casefold() not in shown]
    if training is None or missing:
        raise PictureError(
            f"LEACE learns from pictures, and there is none of “{missing[0] if missing else 'anything'}”; "
            "upload some, or erase it with CCUP, which needs words only."
        )
    targets = training.targets(selection.forget_names)
    return encoder.image_features(training), targets[:, None] == torch.arange(len(selection.forget))
