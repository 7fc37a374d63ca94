"""Curves of a CLIPErase run over its steps: the losses of its modules, and its accuracy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from unlearn.erasers.variants import BOTH, CCUP
from unlearn.plots.style import COLOURS, ERASED_COLOUR, PARTS, Figure, Json, axis_title, styled

if TYPE_CHECKING:
    from unlearn.erasers.cliperase import TrainingStep

MODULES = {
    "forgetting": (ERASED_COLOUR, "solid"),
    "retention": (COLOURS[CCUP], "dash"),
    "consistency": (COLOURS[BOTH], "dot"),
}


def loss_curves(records: Sequence[TrainingStep]) -> Figure:
    """Draw CLIPErase's three modules over the steps of a run, each loss unweighted."""
    steps = [record.done for record in records]
    lines = [
        {
            "type": "scatter",
            "x": steps,
            "y": [getattr(record, module) for record in records],
            "name": module,
            "line": {"color": colour, "dash": dash, "width": 2},
            "hovertemplate": f"{module} at step %{{x}}: %{{y:.3f}}<extra></extra>",
        }
        for module, (colour, dash) in MODULES.items()
    ]
    return _over_steps(records, lines, {"title": axis_title("loss"), "tickformat": "~r"})


def accuracy_curves(records: Sequence[TrainingStep]) -> Figure:
    """Draw top-1 on images of the erased concepts and of others, at the steps where the run measured it."""
    lines: list[Json] = []
    for part, (name, colour) in PARTS.items():
        values = [(record.done, getattr(record, f"{part}_accuracy")) for record in records]
        values = [(step, value) for step, value in values if not math.isnan(value)]
        lines.append(
            {
                "type": "scatter",
                "x": [step for step, _ in values],
                "y": [value for _, value in values],
                "name": name,
                "line": {"color": colour, "width": 2, "dash": "solid" if part == "forget" else "dash"},
                "hovertemplate": f"{name} at step %{{x}}: %{{y:.1%}}<extra></extra>",
            }
        )
    return _over_steps(records, lines, {"title": axis_title("top-1"), "tickformat": ".0%", "range": [-0.02, 1.02]})


def _over_steps(records: Sequence[TrainingStep], lines: Sequence[Json], yaxis: Mapping[str, Any]) -> Figure:
    return styled(360, lines, xaxis={"title": axis_title("step"), "range": [0, records[-1].total]}, yaxis=yaxis)
