"""Accuracy on erased concepts and on all others, against the strength and against the number of erased concepts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from unlearn.plots.style import INK, PARTS, styled

if TYPE_CHECKING:
    from unlearn.sweeps.trade_off import TradeOffPoint

#: The line distinguishes erased from retained, dash and marker distinguish the forms, so neither depends on colour.
DASHES = {"paired": ("solid", "circle"), "consistent": ("dash", "square-open"), "nullspace": ("dot", "diamond-open")}


def strength_curves(points: Sequence[TradeOffPoint], strength: float) -> go.Figure:
    """Draw accuracy on erased and other images against α, in every form; a vertical line marks the slider's value."""
    figure = _of_accuracy(points, lambda point: point.strength, "strength %{x:.2f}: %{y:.1%}")
    figure.add_vline(x=strength, line={"color": INK, "width": 1, "dash": "dash"})
    figure.update_xaxes(title_text="strength α", range=[-0.03, 1.03])
    return figure


def count_curves(points: Sequence[TradeOffPoint]) -> go.Figure:
    """Draw accuracy on erased and other images against the number of erased concepts, in each form at one strength."""
    figure = _of_accuracy(points, lambda point: point.num_erased, "%{x} erased: %{y:.1%}")
    counts = sorted({point.num_erased for point in points})
    title = f"concepts erased, at strength {points[0].strength:g}" if points else "concepts erased"
    figure.update_xaxes(title_text=title, type="log", tickvals=counts, ticktext=list(map(str, counts)))
    return figure


def _of_accuracy(points: Sequence[TradeOffPoint], along: Callable[[TradeOffPoint], float], hover: str) -> go.Figure:
    """Draw accuracy on the vertical axis, always from 0 to 1, with a legend of two columns."""
    figure = styled(360, *_curves(points, along, hover))
    figure.update_yaxes(range=[-0.04, 1.04], tickformat=".0%")
    return figure.update_layout(legend={"entrywidth": 0.5, "entrywidthmode": "fraction", "font": {"size": 10}})


def _curves(points: Sequence[TradeOffPoint], along: Callable[[TradeOffPoint], float], hover: str) -> list[go.Scatter]:
    traces = []
    for form, (dash, symbol) in DASHES.items():
        chosen = [point for point in points if point.form == form]
        for part, (name, colour) in PARTS.items():
            traces.append(
                go.Scatter(
                    name=f"{name}, {form}",
                    mode="lines+markers",
                    x=[along(point) for point in chosen],
                    y=[getattr(point, part) for point in chosen],
                    line={"color": colour, "dash": dash, "width": 2},
                    marker={"symbol": symbol, "size": 7},
                    hovertemplate=hover + f"<extra>{name}, {form}</extra>",
                )
            )
    return traces
