"""Reports as plain values for JSON: fractions, and null where there was nothing to measure."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from unlearn.evaluation.quality import Quality
from unlearn.evaluation.retrieval import Recall, RetrievalReport
from unlearn.evaluation.zero_shot import ZeroShotReport


def zero_shot_metrics(report: ZeroShotReport) -> dict[str, Any]:
    """``{"top1", "top5", "n", "forget": {"top1", "n"}, "retain": {"top1", "n"}}``"""
    return {
        "top1": _number(report.overall.top1),
        "top5": _number(report.overall.top5),
        "n": report.overall.n,
        "forget": {"top1": _number(report.forget.top1), "n": report.forget.n},
        "retain": {"top1": _number(report.retain.top1), "n": report.retain.n},
    }


def retrieval_metrics(report: RetrievalReport) -> dict[str, Any]:
    """``{"text_to_image": {"forget": {"1", "5", "10", "n"}, "retain": …}, "image_to_text": …}``"""
    return {
        direction: {part: _recall(recall) for part, recall in parts.items()}
        for direction, parts in (("text_to_image", report.text_to_image), ("image_to_text", report.image_to_text))
    }


def edit_metrics(quality: Quality) -> dict[str, Any]:
    """The fields of :class:`Quality` and its harmonic mean; ``{"mean", "low", "high", "n"}`` for every interval."""
    measured: dict[str, Any] = _plain(asdict(quality))
    return measured | {"harmonic_mean": _number(quality.harmonic_mean)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return _number(value) if isinstance(value, float) else value


def _recall(recall: Recall) -> dict[str, float | int | None]:
    return {str(k): _number(value) for k, value in recall.at.items()} | {"n": recall.n}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
