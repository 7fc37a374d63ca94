"""Paired horizontal bars before and after: of an image's labels, and of images with their own text."""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unlearn.plots.style import COLOURS, Figure, Json, marked, styled

if TYPE_CHECKING:
    from torch import Tensor


def label_bars(
    probabilities: Mapping[str, Mapping[str, float]],
    erased: Collection[str],
    legend: Mapping[str, str] | None = None,
    by_strength: Mapping[str, Any] | None = None,
) -> Figure:
    """Draw the probability of every label, one bar per variant, with the erased labels marked.

    Args:
        probabilities: {variant: {label: probability}}, the original first; every variant has the same labels.
        erased: labels to mark.
        legend: what the legend calls a variant, where that is not its name.
        by_strength: what the page computes the last variant's bars from while the strength slider moves, as
            :func:`unlearn.app.by_strength.label_scores` returns it.
    """
    labels = list(next(iter(probabilities.values())))
    numbers = 13 if len(probabilities) <= 2 else 9
    bars = [
        _bar(
            variant,
            labels,
            [p[label] for label in labels],
            "%{customdata}: %{x:.1%}",
            name=html.escape((legend or {}).get(variant, variant)),
            text=[f"{p[label]:.0%}" for label in labels],
            textposition="outside",
            textfont={"size": numbers},
            constraintext="none",
            cliponaxis=False,
        )
        for variant, p in probabilities.items()
    ]
    percent = {"range": [0, 1.1], "tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1]}
    return _grouped(460, bars, labels, erased, xaxis=percent, meta={"by_strength": by_strength})


def own_similarity_bars(similarity: Mapping[str, Tensor], names: Sequence[str], erased: Collection[str]) -> Figure:
    """Draw the mean cosine of each concept's images with its text, one bar per variant; none for names without images.

    Args:
        similarity: matrix by variant, as :func:`unlearn.plots.matrices.similarity_matrix` takes it.
        names: rows and columns of the matrices.
        erased: names to mark.
    """
    bars = [
        _bar(variant, names, matrix.diagonal().tolist(), "“%{customdata}”: %{x:.2f}")
        for variant, matrix in similarity.items()
    ]
    return _grouped(400, bars, names, erased, xaxis={"zeroline": True})


def _bar(variant: str, labels: Sequence[str], values: Sequence[float], hover: str, **options: Any) -> Json:
    return {
        "type": "bar",
        "name": variant,
        "orientation": "h",
        "y": list(range(len(labels))),
        "x": values,
        "marker": {"color": COLOURS[variant], "line": {"width": 0}},
        "customdata": [html.escape(label) for label in labels],
        "hovertemplate": f"{hover}<extra>{variant}</extra>",
        **options,
    }


def _grouped(
    height: int,
    bars: Sequence[Json],
    labels: Sequence[str],
    erased: Collection[str],
    xaxis: Mapping[str, Any],
    **layout: Any,
) -> Figure:
    names = {
        "tickvals": list(range(len(labels))),
        "ticktext": [marked(label, erased) for label in labels],
        "autorange": "reversed",
        "showgrid": False,
    }
    return styled(height, bars, xaxis=xaxis, yaxis=names, barmode="group", bargap=0.28, bargroupgap=0.06, **layout)
