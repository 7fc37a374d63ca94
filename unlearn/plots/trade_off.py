"""Accuracy on erased concepts and on all others, against the strength and against the number of erased concepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unlearn.plots.style import INK, PARTS, Figure, Json, axis_title, styled

if TYPE_CHECKING:
    from unlearn.sweeps.point import TradeOffPoint

#: The line distinguishes erased from retained, dash and marker distinguish the forms, so neither depends on colour.
DASHES = {"paired": ("solid", "circle"), "consistent": ("dash", "square-open"), "nullspace": ("dot", "diamond-open")}


def strength_curves(points: Sequence[TradeOffPoint], strength: float) -> Figure:
    """Draw accuracy on erased and other images against α, in every form; a vertical line marks the slider's value."""
    marker: Json = {
        "type": "line",
        "x0": strength,
        "x1": strength,
        "yref": "y domain",
        "y0": 0,
        "y1": 1,
        "line": {"color": INK, "width": 1, "dash": "dash"},
    }
    curves = _curves(points, lambda point: point.strength, "strength %{x:.2f}: %{y:.1%}")
    return _of_accuracy(curves, {"title": axis_title("strength α"), "range": [-0.03, 1.03]}, shapes=[marker])


def count_curves(points: Sequence[TradeOffPoint]) -> Figure:
    """Draw accuracy on erased and other images against the number of erased concepts, in each form at one strength."""
    counts = sorted({point.num_erased for point in points})
    title = f"concepts erased, at strength {points[0].strength:g}" if points else "concepts erased"
    return _of_accuracy(
        _curves(points, lambda point: point.num_erased, "%{x} erased: %{y:.1%}"),
        {"title": axis_title(title), "type": "log", "tickvals": counts, "ticktext": list(map(str, counts))},
    )


def _of_accuracy(curves: Sequence[Json], xaxis: Mapping[str, Any], **layout: Any) -> Figure:
    """Draw accuracy on the vertical axis, always from 0 to 1, with a legend of two columns."""
    columns = {"entrywidth": 0.5, "entrywidthmode": "fraction", "font": {"size": 10}}
    return styled(
        360, curves, xaxis=xaxis, yaxis={"range": [-0.04, 1.04], "tickformat": ".0%"}, legend=columns, **layout
    )


def _curves(points: Sequence[TradeOffPoint], along: Callable[[TradeOffPoint], float], hover: str) -> list[Json]:
    traces = []
    for form, (dash, symbol) in DASHES.items():
        chosen = [point for point in points if point.form == form]
        for part, (name, colour) in PARTS.items():
            traces.append(
                {
                    "type": "scatter",
                    "name": f"{name}, {form}",
                    "mode": "lines+markers",
                    "x": [along(point) for point in chosen],
                    "y": [getattr(point, part) for point in chosen],
                    "line": {"color": colour, "dash": dash, "width": 2},
                    "marker": {"symbol": symbol, "size": 7},
                    "hovertemplate": hover + f"<extra>{name}, {form}</extra>",
                }
            )
    return traces
