"""Curves of how fast an erased concept is learned again."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from unlearn.attacks.groups import AUROC_EITHER_END
from unlearn.plots.style import ERASED_COLOUR, INK, Figure, axis_title, styled

if TYPE_CHECKING:
    from unlearn.attacks.finding import Curve


def relearning_curves(curves: Sequence[Curve]) -> Figure:
    """Draw how fast the concept comes back, beside words new to the model; wider lines learn from more images."""
    counts = sorted({curve.examples for curve in curves})
    lines, in_legend = [], set[bool]()
    for curve in curves:
        line = {"color": ERASED_COLOUR, "dash": "solid"} if curve.edited else {"color": INK, "dash": "dash"}
        lines.append(
            {
                "type": "scatter",
                "x": [step for step, _ in curve.points],
                "y": [value for _, value in curve.points],
                "name": "the erased concept" if curve.edited else "a word it never knew",
                "mode": "lines",
                "line": line | {"width": 1 + counts.index(curve.examples) / 2},
                "showlegend": curve.edited not in in_legend,
                "hovertemplate": f"{html.escape(curve.name)}, step %{{x}}: %{{y:.0%}}<extra></extra>",
            }
        )
        in_legend.add(curve.edited)
    return styled(
        360,
        lines,
        xaxis={"title": axis_title("step of fine-tuning")},
        yaxis={"title": axis_title(AUROC_EITHER_END), "range": [-0.02, 1.04], "tickformat": ".0%"},
    )
