"""Heat maps of concepts against concepts: similarity, and interference of erasures."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

from unlearn.plots.style import Figure, Json, marked, styled

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.evaluation.geometry import Interference


def similarity_matrix(
    similarity: Tensor, names: Sequence[str], erased: Collection[str], title: str, limit: float = 1.0
) -> Figure:
    """Draw the mean cosine of images (rows) with texts (columns), (names, names); NaN if a name has no image.

    ``limit`` is the cosine of the deepest colour; use the same for matrices that are to be compared.
    """
    hover = "pictures of %{customdata[0]}<br>text “%{customdata[1]}”<br>cosine %{text}<extra></extra>"
    heading = {"text": html.escape(title), "font": {"size": 14}, "x": 0, "xanchor": "left"}
    return _matrix(similarity, names, erased, written=_cosine, hover=hover, limit=limit, title=heading)


def interference_matrix(interference: Interference, erased: Collection[str]) -> Figure:
    """Draw the change of the correct label's probability in images of the columns when each row is erased alone."""
    hover = "%{customdata[0]} erased:<br>%{customdata[1]} %{text}<extra></extra>"
    return _matrix(interference.probability, interference.names, erased, written=_change, hover=hover)


def _cosine(value: float) -> str:
    return f"{value:.2f}".replace("-0.00", "0.00")


def _change(value: float) -> str:
    return f"{value:+.0%}" if abs(value) >= 0.005 else "0%"


def _matrix(
    values: Tensor,
    names: Sequence[str],
    erased: Collection[str],
    *,
    written: Callable[[float], str],
    hover: str,
    limit: float = 1.0,
    **layout: Any,
) -> Figure:
    """Draw a heat map of (names, names) about zero, with its numbers as ``written`` in the cells; NaN is left blank."""
    ticks = [marked(name, erased, longest=14) for name in names]
    heatmap: Json = {
        "type": "heatmap",
        "z": values.tolist(),
        # Names in a list of [row, column] for the hover, which would otherwise show positions.
        "customdata": [[[html.escape(row), html.escape(column)] for column in names] for row in names],
        "zmin": -limit,
        "zmax": limit,
        "colorscale": [[0, "#b3382c"], [0.5, "#e9e6df"], [1, "#2166ac"]],
        "showscale": False,
        "hovertemplate": hover,
        "xgap": 1,
        "ygap": 1,
        "text": [["" if math.isnan(value) else written(value) for value in row] for row in values.tolist()],
        "texttemplate": "%{text}",
        "textfont": {"size": 10},  # without a fixed colour, Plotly picks one that stands out from the cell
    }
    sides: Json = {"tickvals": list(range(len(names))), "ticktext": ticks, "showgrid": False}
    xaxis, yaxis = {**sides, "tickangle": -45, "zeroline": False}, {**sides, "autorange": "reversed"}
    return styled(400, [heatmap], xaxis=xaxis, yaxis=yaxis, **layout)
