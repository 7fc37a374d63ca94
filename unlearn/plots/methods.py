"""Scatter plot of methods: accuracy on the erased concepts against accuracy on the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from unlearn.plots.style import COLOURS, styled

if TYPE_CHECKING:
    from unlearn.sweeps.comparison import Outcome


def method_scatter(outcomes: Sequence[Outcome]) -> go.Figure:
    """Draw accuracy on the erased concepts (left is better) against accuracy on all others (up is better), by method.

    The dots are labelled with the methods' positions in ``outcomes``, counted from 1, since names would overlap.
    Outcomes without measurements have no dot; at least one outcome must have been measured.
    """
    places = {number: outcome for number, outcome in enumerate(outcomes, start=1) if outcome.is_measured}
    measured = list(places.values())
    retained = [outcome.retain for outcome in measured]
    room = max(0.01, (max(retained) - min(retained)) * 0.2)
    dots = go.Scatter(
        x=[outcome.forget for outcome in measured],
        y=retained,
        mode="markers",
        customdata=[[outcome.label, outcome.duration, outcome.changed] for outcome in measured],
        marker={"size": 11, "color": [COLOURS[outcome.variant] for outcome in measured]},
        hovertemplate="%{customdata[0]}<br>erased %{x:.0%}, others %{y:.1%}<br>%{customdata[1]}, %{customdata[2]} "
        "weights changed<extra></extra>",
        showlegend=False,
    )
    figure = styled(400, dots)
    for numbers in _close_together(places, apart=0.05 * (max(retained) - min(retained) + 2 * room)):
        first = places[numbers[0]]
        figure.add_annotation(
            x=first.forget,
            y=first.retain,
            text=", ".join(map(str, numbers)),
            xanchor="left" if first.forget < 0.5 else "right",
            xshift=10 if first.forget < 0.5 else -10,
            showarrow=False,
        )
    figure.update_xaxes(title_text="top-1 on what is erased", tickformat=".0%", range=[-0.04, 1.04])
    figure.update_yaxes(
        title_text="top-1 on all others", tickformat=".1%", range=[min(retained) - room, max(retained) + room]
    )
    return figure


def _close_together(places: Mapping[int, Outcome], apart: float) -> list[list[int]]:
    """Return the positions of the outcomes in groups; outcomes less than ``apart`` from each other share a group."""
    groups: list[list[int]] = []
    for number, outcome in places.items():
        for group in groups:
            first = places[group[0]]
            if abs(first.forget - outcome.forget) < 0.1 and abs(first.retain - outcome.retain) < apart:
                group.append(number)
                break
        else:
            groups.append([number])
    return groups
