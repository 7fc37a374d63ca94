"""Reports of background runs for programs; numbers that were not measured are null."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from unlearn import app
from unlearn.data.images import data_uri
from unlearn.evaluation.missing import nan_to_none
from unlearn.progress import Progress

if TYPE_CHECKING:
    from unlearn.app.audits import AuditStatus
    from unlearn.app.drawings import DrawStatus
    from unlearn.app.fine_tuning import FineTuneStatus
    from unlearn.attacks.finding import Finding
    from unlearn.progress import Status

NO_RUN = {"state": "none"}


def run_report(status: FineTuneStatus | None) -> dict[str, Any]:
    """Return the report of a CLIPErase run, with its latest progress."""
    if status is None:
        return NO_RUN
    last = asdict(status.progress[-1]) if status.progress else {}
    told: dict[str, Any] = nan_to_none({name: value for name, value in last.items() if name != "whole"})
    return _state(status) | told


def drawing_report(status: DrawStatus | None) -> dict[str, Any]:
    """Return the report of a drawing; once it is done, with its images and what was detected in them."""
    if status is None:
        return NO_RUN
    told = _state(status)
    result = status.result
    if isinstance(result, app.drawings.Drawn):
        told |= result.record()
        told |= {side: [data_uri(p) for p in getattr(result.pair, side)] for side in ("before", "after")}
    elif isinstance(result, app.drawings.Rates):
        told["rates"] = asdict(result)
    return told


def audit_report(status: AuditStatus | None) -> dict[str, Any]:
    """Return the report of an audit, with its findings so far."""
    if status is None:
        return NO_RUN
    report = status.result.report if status.result else status.progress[-1].report if status.progress else None
    if report is None:
        return _state(status) | {"findings": []}
    told = {name: value for name, value in report.record().items() if name != "findings"}
    return _state(status) | told | {"findings": [_finding(finding) for finding in report.findings]}


def _state(status: Status[Any, Any]) -> dict[str, Any]:
    told = {"state": str(status.state), "queue_position": status.queue_position, "wait": status.wait}
    last = status.progress[-1] if status.progress else Progress()
    told |= {"fraction": status.fraction, "seconds_left": status.seconds_left}
    return told | {"message": status.message, "done": last.done, "total": last.total, "text": last.text}


def _finding(finding: Finding) -> dict[str, Any]:
    images = dict(zip(("before", "after"), finding.images, strict=True))
    return finding.record() | {"images": {side: [data_uri(p) for p in drawn] for side, drawn in images.items()}}
