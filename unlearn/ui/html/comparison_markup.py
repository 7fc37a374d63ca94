"""Methods side by side as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn.ui.html.templates import fill

if TYPE_CHECKING:
    from unlearn.app.comparisons import Compared


def compared(result: Compared) -> str:
    """The table below the chart, whose dots bear the numbers of its rows."""
    return fill("compared", model=result.model, concepts=result.concepts, outcomes=result.outcomes)
