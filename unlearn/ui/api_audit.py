"""The endpoint that attacks: told as it goes, with every finding as soon as it is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from unlearn.pictures import data_uri
from unlearn.ui.api import erase_first
from unlearn.ui.background import followed
from unlearn.ui.loading import Provider
from unlearn.ui.session import Visitor

if TYPE_CHECKING:
    from unlearn.attacks.finding import Finding
    from unlearn.ui.audits import AuditStatus


def audit_endpoint(services: Provider) -> Callable[[Visitor, str, list[str]], AsyncIterator[dict[str, Any]]]:
    """The handler of ``/audit``."""

    async def audit(visitor: Visitor, concept: str, forget: list[str]) -> AsyncIterator[dict[str, Any]]:
        """Attack the edits in force, to see what they left; streams the state of the audit until it has ended.

        Args:
            concept: The erased concept to attack; "" for the first.
            forget: Concepts to erase first, with the defaults of /erase; none leaves the erasure as it is.

        Returns:
            State, place in line, what is done now, and the findings so far: verdict ("held", "leaked" or "not
            applicable"), the number before and after the edit, by chance and under a random edit, as fractions (null
            where not measured), its 95% interval, details, and as PNG data URIs (but for an assistant) what a soft
            prompt drew.
        """
        from unlearn.ui.audits import audit_of, start_audit

        await asyncio.to_thread(erase_first, services, visitor, forget)
        await asyncio.to_thread(lambda: start_audit(services(), visitor, concept))
        async for status in followed(lambda: audit_of(services(), visitor)):
            yield audit_report(status)

    return audit


def audit_report(status: AuditStatus | None) -> dict[str, Any]:
    """An audit's state for a program."""
    if status is None:
        return {"state": "none"}
    from unlearn.ui.audits import Audited

    told: dict[str, Any] = {"state": str(status.state), "place": status.place, "message": status.message}
    last = status.progress[-1] if status.progress else None
    found = status.result.report.findings if isinstance(status.result, Audited) else getattr(last, "findings", ())
    return told | {"doing": getattr(last, "text", ""), "findings": [_finding(finding) for finding in found]}


def _finding(finding: Finding) -> dict[str, Any]:
    pictures = dict(zip(("before", "after"), finding.pictures, strict=True))
    return finding.record() | {"pictures": {side: [data_uri(p) for p in drawn] for side, drawn in pictures.items()}}
