"""Methods side by side as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn.ui.background import Moving, told
from unlearn.ui.html.templates import fill

if TYPE_CHECKING:
    from unlearn.app.comparisons import Compared, ComparisonStatus
    from unlearn.sweeps.comparison import Comparing


def comparison_status(status: ComparisonStatus) -> str:
    """A comparison in a sentence, and a bar while it moves."""
    return told(status, _moving, stopped="Stopped. The last comparison is still here.")


def _moving(last: Comparing | None) -> Moving:
    return Moving(f"{last.label}…", last.done, last.total) if last else Moving("Starting.")


def compared(result: Compared) -> str:
    """The table below the chart, whose dots bear the numbers of its rows."""
    return fill("compared", model=result.model, concepts=result.concepts, outcomes=result.outcomes)
