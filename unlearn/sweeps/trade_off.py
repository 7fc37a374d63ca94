"""Cost of erasing: accuracy on forget and retain set against strength, and against the number of erased concepts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.selection import Selection, Vocabulary, select
from unlearn.data.gallery import Gallery
from unlearn.erasers import ccup
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import FORMS, CCUPSettings
from unlearn.evaluation.zero_shot import evaluate_zero_shot
from unlearn.sweeps.point import TradeOffPoint

STRENGTHS = tuple(i / 10 for i in range(11))
COUNTS = (1, 2, 5, 10, 20, 50, 100)


def measure(
    encoder: TextImageEncoder, gallery: Gallery, erasure: Erasure[CCUPSettings], vocabulary: Vocabulary
) -> TradeOffPoint:
    """Measure forget and retain accuracy of ``erasure`` on ``gallery`` with all of ``vocabulary`` offered."""
    names = erasure.selection.forget_names
    report = evaluate_zero_shot(erasure.apply(encoder), gallery, forget=names, vocabulary=vocabulary)
    settings = erasure.settings
    return TradeOffPoint(settings.form, settings.strength, len(names), report.forget.top1, report.retain.top1)


def sweep_strength(
    encoder: TextImageEncoder,
    gallery: Gallery,
    selection: Selection,
    settings: CCUPSettings,
    *,
    vocabulary: Vocabulary,
    strengths: Sequence[float] = STRENGTHS,
) -> Iterator[TradeOffPoint]:
    """Measure ``selection`` at every strength, in every form."""
    for form in FORMS:
        fitted = ccup.erase(encoder, selection, replace(settings.with_form(form), strength=1.0), vocabulary=vocabulary)
        for strength in strengths:
            yield measure(encoder, gallery, fitted.at(strength), vocabulary)


def growing(
    selection: Selection, vocabulary: Vocabulary, counts: Sequence[int] = COUNTS, seed: int = 0
) -> list[Selection]:
    """Return forget sets of ``counts`` concepts: those of ``selection`` first, then unrelated ones drawn with ``seed``.

    The retain set follows the choice of ``selection``: the rest of the vocabulary, or its own names, which are then
    never drawn. Counts that leave no concept to draw or to retain are left out.
    """
    own = selection.forget_names
    rest = selection.retain == vocabulary.without(own)
    taken = {name.casefold() for name in (own if rest else (*own, *selection.retain))}
    unrelated = [name for name in vocabulary.names if name.casefold() not in taken]
    order = torch.randperm(len(unrelated), generator=torch.Generator().manual_seed(seed)).tolist()
    names = [*own, *(unrelated[i] for i in order)]
    most = min(len(names), len(vocabulary.names) - 1)
    sets = [select(names[:count], vocabulary=vocabulary, most=count) for count in counts if count <= most]
    return sets if rest else [replace(grown, retain=selection.retain) for grown in sets]


def sweep_count(
    encoder: TextImageEncoder,
    gallery: Gallery,
    selections: Sequence[Selection],
    settings: CCUPSettings,
    *,
    vocabulary: Vocabulary,
) -> Iterator[TradeOffPoint]:
    """Measure each of ``selections``, forget sets as :func:`growing` gives them, in every form."""
    for form in FORMS:
        for selection in selections:
            erasure = ccup.erase(encoder, selection, settings.with_form(form), vocabulary=vocabulary)
            yield measure(encoder, gallery, erasure, vocabulary)
