"""Scatter plot of methods: accuracy on the erased concepts against accuracy on the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from unlearn.plots.style import COLOURS, Figure, Json, axis_title, styled

if TYPE_CHECKING:
    from unlearn.sweeps.comparison import Outcome


def method_scatter(outcomes: Sequence[Outcome]) -> Figure:
    """Draw accuracy on the erased concepts (left is better) against accuracy on all others (up is better), by method.

    The dots are labelled with the methods' positions in ``outcomes``, counted from 1, since names would overlap.
    Outcomes without measurements have no dot; at least one outcome must have been measured.
    """
    places = {number: outcome for number, outcome in enumerate(outcomes, start=1) if outcome.is_measured}
    measured = list(places.values())
    retained = [outcome.retain for outcome in measured]
    room = max(0.01, (max(retained) - min(retained)) * 0.2)
    dots: Json = {
        "type": "scatter",
        "x": [outcome.forget for outcome in measured],
        "y": retained,
        "mode": "markers",
        "customdata": [[outcome.label, outcome.duration, outcome.changed] for outcome in measured],
        "marker": {"size": 11, "color": [COLOURS[outcome.variant] for outcome in measured]},
        "hovertemplate": "%{customdata[0]}<br>erased %{x:.0%}, others %{y:.1%}<br>%{customdata[1]}, %{customdata[2]} "
        "weights changed<extra></extra>",
        "showlegend": False,
    }
    lowest, highest = min(retained) - room, max(retained) + room
    return styled(
        400,
        [dots],
        xaxis={"title": axis_title("top-1 on what is erased"), "tickformat": ".0%", "range": [-0.04, 1.04]},
        yaxis={"title": axis_title("top-1 on all others"), "tickformat": ".1%", "range": [lowest, highest]},
        annotations=[
            _numbers(numbers, places[numbers[0]])
            for numbers in _close_together(places, apart=0.05 * (highest - lowest))
        ],
    )


def _numbers(numbers: Sequence[int], outcome: Outcome) -> Json:
    """Return the label of the dot of ``outcome``, on the side with more room."""
    left = outcome.forget < 0.5
    return {
        "x": outcome.forget,
        "y": outcome.retain,
        "text": ", ".join(map(str, numbers)),
        "xanchor": "left" if left else "right",
        "xshift": 10 if left else -10,
        "showarrow": False,
    }


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
