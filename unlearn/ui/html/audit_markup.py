"""Findings of an audit as HTML: a mark, the number before and after, a sentence, and collapsed details."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from unlearn.attacks.groups import Group
from unlearn.ui.html.templates import fill, small

if TYPE_CHECKING:
    from unlearn.app.edits import Audited
    from unlearn.attacks.finding import Finding

#: Smallest number of images for a reliable verdict: one image judged differently no longer changes it.
ENOUGH = 5
MARKS = {"held": "✓ held", "leaked": "✕ leaked", "not applicable": "– no answer"}


def no_audit() -> str:
    """Return the placeholder for findings."""
    return small("Not attacked yet. It takes about a minute, the first time longer.")


def audited(result: Audited, *, current: bool) -> str:
    """Return all findings of a finished audit in groups, below their summary."""
    report = result.report
    return fill(
        "audited",
        concept=report.concept.name,
        counts={verdict: sum(f.verdict == verdict for f in report.findings) for verdict in MARKS},
        n=report.n,
        enough=ENOUGH,
        current=current,
        groups=_grouped(report.findings),
        marks=MARKS,
    )


def findings(found: Sequence[Finding]) -> str:
    """Return the findings so far, in groups."""
    return fill("findings", groups=_grouped(found), marks=MARKS)


def _grouped(found: Sequence[Finding]) -> list[tuple[Group, list[Finding]]]:
    groups = [(group, [finding for finding in found if finding.group == group]) for group in Group]
    return [(group, own) for group, own in groups if own]
