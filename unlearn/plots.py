"""Results as Plotly figures, readable on light and dark pages: pure functions, no state, no gradio."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from unlearn.variants import BASELINE, BOTH, CCUP, CLIPERASE, ORIGINAL

if TYPE_CHECKING:
    from torch import Tensor

    from unlearn.attacks.finding import Curve
    from unlearn.comparison import Outcome
    from unlearn.erasers.cliperase import Record
    from unlearn.evaluation.interference import Interference
    from unlearn.trade_off import TradeOffPoint

#: One colour a variant everywhere: mid-tones that hold on white and on black, told apart by colour-blind eyes (Okabe
#: and Ito 2008, brought to equal lightness).
COLOURS = {
    ORIGINAL: "#8b929e",
    CCUP: "#2f86d6",
    CLIPERASE: "#e08a1e",
    BOTH: "#2a9d78",
    BASELINE: "#9a6fb0",
}
ERASED_COLOUR = "#d6455d"
INK, GRID = "#808895", "rgba(128,136,149,0.22)"
FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
#: Erased or kept is told by the line, the mode by dash and marker, so that neither needs the colour.
CURVES = {"forget": ("erased", ERASED_COLOUR), "retain": ("others", COLOURS[CCUP])}
DASHES = {"paired": ("solid", "circle"), "consistent": ("dash", "square-open"), "nullspace": ("dot", "diamond-open")}


def _figure(height: int, *traces: object, **layout: object) -> go.Figure:
    """Traces on a transparent ground with the house's margins, of a height that does not depend on the data."""
    figure = go.Figure(list(traces))
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 16, "t": 32, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 13, "color": INK},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom", "font": {"size": 13}},
        hoverlabel={"font": {"family": FONT, "size": 13}},
        dragmode=False,
        **layout,
    )
    figure.update_xaxes(gridcolor=GRID, zerolinecolor=GRID, fixedrange=True, automargin=True)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, fixedrange=True, automargin=True)
    return figure


def marked(label: str, erased: Collection[str], *, longest: int = 18) -> str:
    """``label`` for an axis: escaped, shortened, and with a cross before it where it is erased."""
    short = label if len(label) <= longest else label[: longest - 1] + "…"
    text = html.escape(short)
    if label.casefold() in {name.casefold() for name in erased}:
        return f"<span style='color:{ERASED_COLOUR}'>✕ {text}</span>"
    return text


def label_bars(probabilities: Mapping[str, Mapping[str, float]], erased: Collection[str]) -> go.Figure:
    """Paired horizontal bars: probability of every label, one bar a variant, the erased labels marked.

    Args:
        probabilities: {variant: {label: probability}}, the original first; every variant has the same labels.
        erased: labels to mark.
    """
    labels = list(next(iter(probabilities.values())))
    rows = list(range(len(labels)))
    bars = [
        go.Bar(
            name=variant,
            orientation="h",
            y=rows,
            x=[p[label] for label in labels],
            marker={"color": COLOURS[variant], "line": {"width": 0}},
            text=[f"{p[label]:.0%}" for label in labels],
            textposition="outside",
            cliponaxis=False,
            customdata=[html.escape(label) for label in labels],
            hovertemplate="%{customdata}: %{x:.1%}<extra>" + variant + "</extra>",
        )
        for variant, p in probabilities.items()
    ]
    figure = _figure(460, *bars, barmode="group", bargap=0.28, bargroupgap=0.06)
    figure.update_xaxes(range=[0, 1.1], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1])
    figure.update_yaxes(
        tickvals=rows, ticktext=[marked(label, erased) for label in labels], autorange="reversed", showgrid=False
    )
    return figure


def strength_curves(points: Sequence[TradeOffPoint], strength: float) -> go.Figure:
    """Accuracy on erased and other pictures against α, in every mode; a line marks where the slider stands."""
    hover = "strength %{x:.2f}: %{y:.1%}"
    figure = _figure(360, *_curves(points, lambda point: point.strength, hover))
    figure.add_vline(x=strength, line={"color": INK, "width": 1, "dash": "dash"})
    figure.update_xaxes(title="strength α", range=[-0.03, 1.03])
    return _of_accuracy(figure)


def count_curves(points: Sequence[TradeOffPoint]) -> go.Figure:
    """Accuracy on erased and other pictures against the number of erased concepts, in every mode."""
    figure = _figure(360, *_curves(points, lambda point: point.num_erased, "%{x} erased: %{y:.1%}"))
    counts = sorted({point.num_erased for point in points})
    figure.update_xaxes(title="concepts erased", type="log", tickvals=counts, ticktext=[str(count) for count in counts])
    return _of_accuracy(figure)


def _of_accuracy(figure: go.Figure) -> go.Figure:
    """Accuracy upwards, always from 0 to 1, and a legend of two columns."""
    figure.update_yaxes(range=[-0.04, 1.04], tickformat=".0%")
    return figure.update_layout(
        legend={"entrywidth": 0.5, "entrywidthmode": "fraction", "font": {"size": 11}}, margin_t=80
    )


def _curves(points: Sequence[TradeOffPoint], along: Callable[[TradeOffPoint], float], hover: str) -> list[go.Scatter]:
    traces = []
    for mode, (dash, symbol) in DASHES.items():
        chosen = [point for point in points if point.mode == mode]
        for part, (name, colour) in CURVES.items():
            traces.append(
                go.Scatter(
                    name=f"{name}, {mode}",
                    mode="lines+markers",
                    x=[along(point) for point in chosen],
                    y=[getattr(point, part) for point in chosen],
                    line={"color": colour, "dash": dash, "width": 2},
                    marker={"symbol": symbol, "size": 7},
                    hovertemplate=hover + f"<extra>{name}, {mode}</extra>",
                )
            )
    return traces


def similarity_matrix(
    similarity: Tensor, names: Sequence[str], erased: Collection[str], title: str, limit: float = 1.0
) -> go.Figure:
    """Mean cosine of pictures (rows) with texts (columns), (names, names); NaN where a name has no picture.

    ``limit`` is the cosine of the deepest colour, the same for matrices that are to be compared.
    """
    hover = "pictures of %{customdata[0]}<br>text “%{customdata[1]}”<br>cosine %{z:.2f}<extra></extra>"
    figure = _matrix(similarity, names, erased, hover=hover, limit=limit)
    return figure.update_layout(title={"text": html.escape(title), "font": {"size": 14}, "x": 0, "xanchor": "left"})


def interference_matrix(interference: Interference, erased: Collection[str]) -> go.Figure:
    """Change of the right label's probability in pictures of the columns when the rows are erased, each alone."""
    hover = "%{customdata[0]} erased:<br>%{customdata[1]} %{z:+.0%}<extra></extra>"
    return _matrix(interference.probability, interference.names, erased, hover=hover, numbers="%{z:+.0%}")


def _matrix(
    values: Tensor,
    names: Sequence[str],
    erased: Collection[str],
    *,
    hover: str,
    limit: float = 1.0,
    numbers: str = "%{z:.2f}",
) -> go.Figure:
    """A heat map of (names, names) about zero, with its numbers in the cells; NaN is left blank."""
    ticks = [marked(name, erased, longest=14) for name in names]
    heatmap = go.Heatmap(
        z=[[_or_gap(value) for value in row] for row in values.tolist()],
        # Names in a list of [row, column] for the hover, which would otherwise show positions.
        customdata=[[[html.escape(row), html.escape(column)] for column in names] for row in names],
        zmin=-limit,
        zmax=limit,
        colorscale=[[0, "#b3382c"], [0.5, "#e9e6df"], [1, "#2166ac"]],
        showscale=False,
        hovertemplate=hover,
        xgap=1,
        ygap=1,
        texttemplate=numbers,
        textfont={"size": 10, "color": "#26292e"},
    )
    figure = _figure(400, heatmap)
    rows = list(range(len(names)))
    figure.update_xaxes(tickvals=rows, ticktext=ticks, tickangle=-45, showgrid=False, zeroline=False)
    figure.update_yaxes(tickvals=rows, ticktext=ticks, autorange="reversed", showgrid=False)
    return figure


def own_similarity_bars(similarity: Mapping[str, Tensor], names: Sequence[str], erased: Collection[str]) -> go.Figure:
    """Mean cosine of each concept's pictures with its own text, one bar a variant; none where a name has no picture.

    Args:
        similarity: by variant, as :func:`similarity_matrix` takes it.
        names: rows and columns of the matrices.
        erased: names to mark.
    """
    rows = list(range(len(names)))
    bars = [
        go.Bar(
            name=variant,
            orientation="h",
            y=rows,
            x=[_or_gap(value) for value in matrix.diagonal().tolist()],
            marker={"color": COLOURS[variant], "line": {"width": 0}},
            customdata=[html.escape(name) for name in names],
            hovertemplate="“%{customdata}”: %{x:.2f}<extra>" + variant + "</extra>",
        )
        for variant, matrix in similarity.items()
    ]
    figure = _figure(400, *bars, barmode="group", bargap=0.28, bargroupgap=0.06)
    figure.update_xaxes(zeroline=True)
    figure.update_yaxes(
        tickvals=rows, ticktext=[marked(name, erased) for name in names], autorange="reversed", showgrid=False
    )
    return figure


MODULES = {
    "forgetting": ("forgetting", ERASED_COLOUR, "solid"),
    "retention": ("retention", COLOURS[CCUP], "dash"),
    "consistency": ("consistency", COLOURS["CLIPErase + CCUP"], "dot"),
}


def loss_curves(records: Sequence[Record]) -> go.Figure:
    """CLIPErase's three modules over the steps of a run, each loss as it is, unweighted."""
    steps = [record.step for record in records]
    lines = [
        go.Scatter(
            x=steps,
            y=[_or_gap(getattr(record, module)) for record in records],
            name=name,
            line={"color": colour, "dash": dash, "width": 2},
            hovertemplate=f"{name} at step %{{x}}: %{{y:.3f}}<extra></extra>",
        )
        for module, (name, colour, dash) in MODULES.items()
    ]
    return _over_steps(records, lines, "loss", "~r")


def accuracy_curves(records: Sequence[Record]) -> go.Figure:
    """Top-1 on pictures of the erased concepts and of others, wherever a run measured it."""
    lines = []
    for part, (name, colour) in CURVES.items():
        values = [(record.step, getattr(record, f"{part}_accuracy")) for record in records]
        values = [(step, value) for step, value in values if not math.isnan(value)]
        lines.append(
            go.Scatter(
                x=[step for step, _ in values],
                y=[value for _, value in values],
                name=name,
                line={"color": colour, "width": 2, "dash": "solid" if part == "forget" else "dash"},
                hovertemplate=f"{name} at step %{{x}}: %{{y:.1%}}<extra></extra>",
            )
        )
    figure = _over_steps(records, lines, "top-1", ".0%")
    figure.update_yaxes(range=[-0.02, 1.02])
    return figure


def _over_steps(records: Sequence[Record], lines: Sequence[object], what: str, ticks: str) -> go.Figure:
    figure = _figure(360, *lines)
    figure.update_xaxes(title="step", range=[0, records[-1].steps])
    figure.update_yaxes(title=what, tickformat=ticks)
    return figure


def _or_gap(value: float) -> float | None:
    return None if math.isnan(value) else value


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
    figure = _figure(360, *lines)
    figure.update_xaxes(title="step of fine-tuning on 1, 2, 5 and 10 pictures")
    figure.update_yaxes(title="ranks above other pictures", range=[-0.02, 1.04], tickformat=".0%")
    return figure


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
    figure = _figure(400, dots)
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
