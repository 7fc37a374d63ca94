"""Methods side by side as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from unlearn.ui.html.templates import fill

if TYPE_CHECKING:
    from unlearn.app.comparisons import ComparedMethods
    from unlearn.sweeps.comparison import Outcome


def compared(outcomes: Sequence[Outcome], result: ComparedMethods | None = None) -> str:
    """Return the table below the chart, whose dots are numbered by its rows; without a ``result`` it may grow."""
    return fill("compared", result=result, outcomes=outcomes)
