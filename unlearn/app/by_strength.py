"""Coefficients of probabilities and top-1 as functions of the strength, which the page evaluates. No gradio here."""

from __future__ import annotations

from typing import Any

import torch

from unlearn.app.results import LabelView
from unlearn.app.services import Services
from unlearn.app.session import Session
from unlearn.clip.projection import Projection
from unlearn.evaluation.by_strength import LineOfScores, edit_of
from unlearn.evaluation.zero_shot import evaluate_zero_shot

#: Most labels, and most scores of images with labels, for which a move is computed ahead; the server answers for more.
MOST_LABELS, MOST_SCORES = 2_000, 2_000_000
#: The positions of the slider.
STRENGTHS = torch.arange(101) / 100


def label_scores(services: Services, session: Session, view: LabelView) -> dict[str, Any] | None:
    """Return the coefficients of :class:`LineOfScores` for the visitor's image and the labels of ``view``.

    Those of the scores include CLIP's scale; ``shown`` are the places of the chart's labels among them. None where
    only the server can follow the slider: for another edit than CCUP on images, or too many labels.
    """
    edit = _edit(services, session)
    if edit is None or session.image is None or len(view.labels) > MOST_LABELS:
        return None
    encoder, templates = services.encoder_of(session), services.vocabulary_of(session).templates
    texts = encoder.text_features(view.labels, templates)
    line = LineOfScores.of(edit, encoder.image_features(session.image), texts)
    shown = next(iter(view.probabilities.values()))
    return {
        "start": _numbers(encoder.logit_scale * line.start[0]),
        "slope": _numbers(encoder.logit_scale * line.slope[0]),
        "squared_norm": _numbers(line.squared_norm[:, 0]),
        "shown": [view.labels.index(label) for label in shown],
    }


def top1(services: Services, session: Session) -> dict[str, list[float]]:
    """Return top-1 on the forget set and on the retain set at each of ``STRENGTHS``; empty as for the scores."""
    encoder, vocabulary = services.encoder_of(session), services.vocabulary_of(session)
    edit, collection = _edit(services, session), services.collection(session)
    if edit is None or len(collection) * len(vocabulary.names) > MOST_SCORES:
        return {}
    before = evaluate_zero_shot(encoder, collection, forget=session.erased, vocabulary=vocabulary)
    images = encoder.image_features(collection)[collection.targets(vocabulary.names) >= 0]
    texts = encoder.text_features(vocabulary.names, vocabulary.templates)
    first = LineOfScores.of(edit, images, texts).top1(before.targets, STRENGTHS).double()
    parts = {"forget": before.forgotten, "retain": ~before.forgotten}
    return {part: first[rows].mean(dim=0).tolist() for part, rows in parts.items() if rows.any()}


def _edit(services: Services, session: Session) -> Projection | None:
    if session.erasure is None or session.fine_tuned:
        return None
    return edit_of(session.erasure.apply(services.encoder_of(session)))


def _numbers(values: torch.Tensor) -> list[float]:
    return [round(value, 6) for value in values.tolist()]
