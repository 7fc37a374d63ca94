"""Methods side by side as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unlearn.ui.html.templates import fill

if TYPE_CHECKING:
    from unlearn.app.comparisons import Compared


def compared(result: Compared) -> str:
    """Return the table below the chart; the chart's dots are numbered by its rows."""
    return fill("compared", model=result.model, concepts=result.concepts, outcomes=result.outcomes)
