"""Methods side by side: what each forgets against what it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from unlearn.plots.style import COLOURS, INK, styled

if TYPE_CHECKING:
    from unlearn.comparison import Outcome


def method_scatter(outcomes: Sequence[Outcome]) -> go.Figure:
    """Accuracy on the erased concepts (left is better) against accuracy on all others (up is better), by method."""
    places: dict[tuple[float, float], list[Outcome]] = {}
    for outcome in outcomes:
        places.setdefault((outcome.forget, outcome.retain), []).append(outcome)
    dots = go.Scatter(
        x=[forget for forget, _ in places],
        y=[retain for _, retain in places],
        mode="markers+text",
        # Methods that end in the same place share a name there.
        text=["  " + " · ".join(outcome.label for outcome in here) + "  " for here in places.values()],
        textposition=["middle right" if forget < 0.5 else "middle left" for forget, _ in places],
        customdata=["<br>".join(_cost(outcome) for outcome in here) for here in places.values()],
        marker={"size": 11, "color": [_method_colour(here[-1].label) for here in places.values()]},
        hovertemplate="erased %{x:.0%}, others %{y:.1%}<br>%{customdata}<extra></extra>",
        showlegend=False,
    )
    figure = styled(400, dots)
    figure.update_xaxes(title="top-1 on what is erased", tickformat=".0%", range=[-0.04, 1.04])
    retained = [outcome.retain for outcome in outcomes]
    room = max(0.01, (max(retained) - min(retained)) * 0.2)
    figure.update_yaxes(
        title="top-1 on all others", tickformat=".1%", range=[min(retained) - room, max(retained) + room]
    )
    return figure


def _cost(outcome: Outcome) -> str:
    return f"{outcome.label}: {outcome.seconds:.2g} s, {outcome.parameters:,} numbers changed"


def _method_colour(label: str) -> str:
    return next((colour for name, colour in COLOURS.items() if label.startswith(name)), INK)
