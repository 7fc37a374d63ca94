"""Methods side by side as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from unlearn.ui.html.markup import percent

if TYPE_CHECKING:
    from unlearn.app.comparisons import Compared
    from unlearn.sweeps.comparison import Outcome


def compared(result: Compared) -> str:
    """The table below the chart, whose dots bear the numbers of its rows."""
    rows = "".join(_row(number, outcome) for number, outcome in enumerate(result.outcomes, start=1))
    erased = ", ".join(f"“{escape(name)}”" for name in result.concepts)
    return (
        f"<p>Erased from {escape(result.model)}: {erased}</p>"
        "<div class='u-scroll'><table class='u-table u-methods'><thead><tr><td></td>"
        "<th scope='col'>Method</th><th scope='col'>erased, top-1</th><th scope='col'>others, top-1</th>"
        f"<th scope='col'>time</th><th scope='col'>weights changed</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(number: int, outcome: Outcome) -> str:
    head = f"<tr><td>{number}</td><th scope='row'>{escape(outcome.label)}</th>"
    if outcome.refusal:
        return f"{head}<td class='u-refusal' colspan='4'>{escape(outcome.refusal)}</td></tr>"
    return (
        f"{head}<td>{percent(outcome.forget)}</td><td>{percent(outcome.retain, digits=1)}</td>"
        f"<td>{outcome.duration}</td><td>{outcome.changed}</td></tr>"
    )
