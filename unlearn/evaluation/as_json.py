"""Reports as plain values for JSON: fractions, and null for values without any data."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.selection import Vocabulary
from unlearn.data.gallery import Gallery
from unlearn.evaluation.intervals import Compared
from unlearn.evaluation.missing import nan_to_none
from unlearn.evaluation.quality import Quality
from unlearn.evaluation.retrieval import RetrievalReport
from unlearn.evaluation.zero_shot import ZeroShotReport, evaluate_zero_shot


def zero_shot_metrics(report: ZeroShotReport) -> dict[str, Any]:
    """Return ``{"top1", "top5", "n", "forget": {"top1", "n"}, "retain": {"top1", "n"}}``."""
    parts = {
        part: {"top1": accuracy.top1, "n": accuracy.n}
        for part, accuracy in (("forget", report.forget), ("retain", report.retain))
    }
    metrics: dict[str, Any] = nan_to_none(asdict(report.overall) | parts)
    return metrics


def before_and_after(
    original: TextImageEncoder,
    edited: TextImageEncoder,
    gallery: Gallery,
    forget: Collection[str],
    vocabulary: Vocabulary,
) -> dict[str, Any]:
    """``{"images": name, "before": …, "after": …}``, :func:`zero_shot_metrics` of both on ``gallery``.

    The record of every erasure has it as its metrics.
    """
    reports = {
        label: evaluate_zero_shot(encoder, gallery, forget=forget, vocabulary=vocabulary)
        for label, encoder in (("before", original), ("after", edited))
    }
    return {"images": gallery.name, **{label: zero_shot_metrics(report) for label, report in reports.items()}}


def retrieval_metrics(report: RetrievalReport) -> dict[str, Any]:
    """``{"text_to_image": {"forget": {"recall@1", "recall@5", "recall@10", "n"}, "retain": …}, "image_to_text": …}``"""
    return {
        direction: {
            part: {f"recall@{k}": nan_to_none(share) for k, share in recall.at.items()} | {"n": recall.n}
            for part, recall in parts.items()
        }
        for direction, parts in (("text_to_image", report.text_to_image), ("image_to_text", report.image_to_text))
    }


def edit_metrics(quality: Quality) -> dict[str, Any]:
    """The fields of :class:`Quality` and its harmonic mean; ``{"mean", "low", "high", "n"}`` for every interval."""
    metrics: dict[str, Any] = nan_to_none(_with_intervals(vars(quality)) | {"harmonic_mean": quality.harmonic_mean})
    return metrics


def _with_intervals(measured: Any) -> Any:
    if isinstance(measured, Compared):
        return asdict(measured.change())
    return {key: _with_intervals(value) for key, value in measured.items()}
