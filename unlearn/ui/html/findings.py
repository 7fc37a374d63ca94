"""Findings of an audit as HTML: the answer in a sentence, and each attack as a row with a bar and collapsed details."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from unlearn.attacks.groups import PLANNED, Group
from unlearn.ui.html.templates import fill

if TYPE_CHECKING:
    from unlearn.attacks.finding import Finding
    from unlearn.attacks.report import AuditReport

MARKS = {"held": "✓ held", "leaked": "✕ leaked", "undecided": "? undecided", "not applicable": "– no answer"}


def no_audit() -> str:
    """Return the placeholder for findings: the attacks to come, and who could do them."""
    return fill("planned", groups=list(Group), count=PLANNED)


def found(report: AuditReport, *, current: bool = True) -> str:
    """Return the answer and the findings of ``report``, which may not be complete, in groups.

    Args:
        report: the findings.
        current: whether the edit that was attacked is still the active one.
    """
    return fill(
        "audited",
        report=report,
        answer=report.answer,
        planned=PLANNED,
        current=current,
        groups=_grouped(report.findings),
        marks=MARKS,
    )


def _grouped(found: Sequence[Finding]) -> list[tuple[Group, list[Finding]]]:
    groups = [(group, [finding for finding in found if finding.group == group]) for group in Group]
    return [(group, own) for group, own in groups if own]
