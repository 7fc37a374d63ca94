"""Reports of background runs for programs; numbers that were not measured are null."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from unlearn.data.images import data_uri
from unlearn.evaluation.missing import nan_to_none
from unlearn.progress import Progress

if TYPE_CHECKING:
    from PIL import Image

    from unlearn.app.edits import TradeOff
    from unlearn.app.results import Geometry
    from unlearn.app.runs.audits import AuditStatus
    from unlearn.app.runs.drawings import DrawStatus
    from unlearn.app.runs.fine_tuning import FineTuneStatus
    from unlearn.attacks.finding import Finding
    from unlearn.progress import Status

NO_RUN = {"state": "none"}


def run_report(status: FineTuneStatus | None) -> dict[str, Any]:
    """Return the report of a CLIPErase run, with its latest progress."""
    if status is None:
        return NO_RUN
    last = asdict(status.progress[-1]) if status.progress else {}
    last.pop("whole", None)
    measured: dict[str, Any] = nan_to_none(last)
    return _state(status) | measured


def drawing_report(status: DrawStatus | None) -> dict[str, Any]:
    """Return the report of a drawing; once it is done, with its images and what was detected in them."""
    if status is None:
        return NO_RUN
    if status.result is None:
        return _state(status)
    return _state(status) | status.result.record() | _encoded(status.result.images)


def audit_report(status: AuditStatus | None) -> dict[str, Any]:
    """Return the report of an audit, with its findings so far."""
    if status is None:
        return NO_RUN
    report = status.result.report if status.result else status.progress[-1].report if status.progress else None
    if report is None:
        return _state(status) | {"findings": []}
    return _state(status) | report.record() | {"findings": [_finding(finding) for finding in report.findings]}


def trade_off_report(measured: TradeOff, geometry: Geometry) -> dict[str, Any]:
    """Return the points of both curves, and the similarities of the concepts by variant."""
    return {
        "by_strength": [asdict(point) for point in measured.by_strength],
        "by_count": [asdict(point) for point in measured.by_count],
        "names": list(geometry.names),
        "similarity": {variant: matrix.tolist() for variant, matrix in geometry.similarity.items()},
    }


def _state(status: Status[Any, Any]) -> dict[str, Any]:
    last = status.progress[-1] if status.progress else Progress()
    return {
        "state": str(status.state),
        "queue_position": status.queue_position,
        "wait": status.wait,
        "fraction": status.fraction,
        "seconds_left": status.seconds_left,
        "message": status.message,
        "done": last.done,
        "total": last.total,
        "text": last.text,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    images = dict(zip(("before", "after"), finding.images, strict=True))
    return finding.record() | {"images": _encoded(images)}


def _encoded(images: Mapping[str, Iterable[Image.Image]]) -> dict[str, list[str]]:
    return {side: [data_uri(image) for image in drawn] for side, drawn in images.items()}
