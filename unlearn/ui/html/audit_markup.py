"""Findings of an audit as HTML: a mark, the number before and after, a sentence, and the details folded away."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from unlearn.attacks.groups import Group
from unlearn.data.images import count_in_words, data_uri
from unlearn.ui.html.markup import percent

if TYPE_CHECKING:
    from unlearn.app.edits import Audited
    from unlearn.attacks.finding import Finding

STALE = (
    "<p class='u-notice'>The edit, the model or the pictures have changed since. Attack again to see what that did.</p>"
)
#: Pictures from which on a verdict is more than a hint: one of them that is told otherwise no longer turns it over.
ENOUGH = 5
MARKS = {"held": "✓ held", "leaked": "✕ leaked", "not applicable": "– no answer"}


def no_audit() -> str:
    """Where findings are going to be shown."""
    return '<p class="u-small">Not attacked yet. It takes about a minute, the first time longer.</p>'


def audited(result: Audited, *, current: bool) -> str:
    """All findings of a finished audit, grouped, under what they come to."""
    report = result.report
    measured = f"Measured on {count_in_words(report.n)} of it{_sureness(report.n)}."
    counts = {verdict: sum(f.verdict == verdict for f in report.findings) for verdict in MARKS}
    return (
        f"<p><b>“{escape(report.concept.name)}”</b>: {counts['leaked']} attacks leaked, {counts['held']} held, "
        f"{counts['not applicable']} gave no answer. {measured} Held means against this attack; it "
        f"proves no more.</p>{'' if current else STALE}{findings(report.findings)}"
    )


def findings(found: Sequence[Finding]) -> str:
    """Findings, grouped, as far as there are any."""
    sections = ""
    for group in Group:
        lines = "".join(_line(finding) for finding in found if finding.group == group)
        if lines:
            head = f"<h3>{group.heading}</h3><p class='u-small'>{group.about}</p>"
            sections += f"<section class='u-group'>{head}{lines}</section>"
    return sections


def _line(finding: Finding) -> str:
    verdict = finding.verdict.replace(" ", "-")
    numbers = "" if math.isnan(finding.before) else f"{percent(finding.before)} → <b>{percent(finding.after)}</b>"
    opened = " open" if any(finding.pictures) else ""
    return (
        f"<details class='u-finding'{opened}><summary><span class='u-mark u-{verdict}'>{MARKS[finding.verdict]}</span>"
        f"<span class='u-what'>{escape(finding.name)}</span><span class='u-numbers'>{numbers}</span>"
        f"<span class='u-meaning'>{escape(finding.meaning)}</span></summary>{_details(finding)}</details>"
    )


def _details(finding: Finding) -> str:
    if math.isnan(finding.before):
        return ""
    low, high = finding.interval
    name = finding.control_name.capitalize()
    control = "" if math.isnan(finding.control) else f" {name}: {percent(finding.control)}."
    text = (
        f"<p class='u-small'>The number: {escape(finding.measure)}. Chance: {percent(finding.chance)}.{control} "
        f"95% interval after the edit: {percent(low)} to {percent(high)} ({count_in_words(finding.n)}).</p>"
    )
    return text + _rows(finding) + _pictures(finding)


def _sureness(n: int) -> str:
    return "" if n >= ENOUGH else ", too few to be sure"


def _rows(finding: Finding) -> str:
    if len(finding.rows) < 2:
        return ""
    rows = "".join(
        f"<tr><th scope='row'>{escape(row.name)}</th><td>{percent(row.before)}</td><td><b>{percent(row.after)}</b></td>"
        f"<td>{percent(row.control)}</td></tr>"
        for row in finding.rows
    )
    return (
        "<div class='u-scroll'><table class='u-table'><thead><tr><td></td><th scope='col'>before</th>"
        f"<th scope='col'>after</th><th scope='col'>{finding.control_name}</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _pictures(finding: Finding) -> str:
    sides = zip(("Before", "After"), finding.pictures, strict=True)
    rows = "".join(
        f"<div class='u-side-name'>{side}</div>"
        + "".join(f"<img src='{data_uri(p)}' alt='drawn {side.lower()} the edit'>" for p in pictures)
        for side, pictures in sides
        if pictures
    )
    return f"<div class='u-soft' style='--n: {len(finding.pictures[0])}'>{rows}</div>" if rows else ""
