"""How fast an erased concept is learned again."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from unlearn.plots.style import ERASED_COLOUR, INK, styled

if TYPE_CHECKING:
    from unlearn.attacks.finding import Curve


def relearning_curves(curves: Sequence[Curve]) -> go.Figure:
    """How fast the concept comes back, beside words that the model never knew; wider lines learn from more pictures."""
    lines, told = [], set[bool]()
    for number, curve in enumerate(curves):
        edited = curve.name.startswith("edited")
        line = {"color": ERASED_COLOUR, "dash": "solid"} if edited else {"color": INK, "dash": "dash"}
        lines.append(
            go.Scatter(
                x=[step for step, _ in curve.points],
                y=[value for _, value in curve.points],
                name="the erased concept" if edited else "a word it never knew",
                mode="lines",
                line=line | {"width": 1 + number // 2 / 2},
                showlegend=edited not in told,
                hovertemplate=f"{html.escape(curve.name)}, step %{{x}}: %{{y:.0%}}<extra></extra>",
            )
        )
        told.add(edited)
    figure = styled(360, *lines)
    figure.update_xaxes(title_text="step of fine-tuning")
    figure.update_yaxes(title_text="ranks above other pictures", range=[-0.02, 1.04], tickformat=".0%")
    return figure
