"""Figures as Plotly's JSON, and their shared style: colours, font, background, and axis labels.

Figures are plain dictionaries: Plotly's own classes check every value as it is set, which takes two hundred times as
long, and add a template of 6 kB to each figure. :meth:`Figure.to_plotly` makes and checks them, as tests do.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unlearn import late
from unlearn.erasers.variants import BASELINE, BOTH, CCUP, CLIPERASE, ORIGINAL
from unlearn.evaluation.missing import nan_to_none

if TYPE_CHECKING:
    from plotly import graph_objects

#: One colour per variant everywhere: mid-tones readable on white and on black, distinguishable with colour blindness
#: (Okabe and Ito 2008, adjusted to equal lightness).
COLOURS = {
    ORIGINAL: "#8b929e",
    CCUP: "#2f86d6",
    CLIPERASE: "#e08a1e",
    BOTH: "#2a9d78",
    BASELINE: "#9a6fb0",
}
ERASED_COLOUR = "#c8364f"
INK, GRID = "#667085", "rgba(128,136,149,0.22)"
#: Colours of style sheets, by the names of their CSS variables; those of text differ on a dark background, for a
#: contrast of 4.5 to 1.
CSS_COLOURS = {
    "erased": ERASED_COLOUR,
    "accent": COLOURS[CCUP],
    "attention": COLOURS[CLIPERASE],
    "before": COLOURS[ORIGINAL],
    "held": "#1f7a57",
    "picture-ground": "#fff",
}
CSS_COLOURS_ON_DARK = {"erased": "#f2798c", "held": "#3fbf92"}
FONTS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
FONT = ", ".join(FONTS)
#: Names and colours of the two sides of every accuracy.
PARTS = {"forget": ("erased", ERASED_COLOUR), "retain": ("others", COLOURS[CCUP])}


#: A trace, an axis or a legend, in the words of Plotly's reference for JavaScript.
Json = dict[str, Any]

_TEXT: Json = {"family": FONT, "size": 13}
#: At the top of the figure, not of the plot: otherwise the legend covers the plot when the window widens.
_LEGEND: Json = {"orientation": "h", "x": 0, "yref": "container", "y": 1, "yanchor": "top", "font": {"size": 13}}
_LAYOUT: Json = {
    "margin": {"l": 8, "r": 16, "t": 32, "b": 8},
    "paper_bgcolor": "rgba(0,0,0,0)",
    "plot_bgcolor": "rgba(0,0,0,0)",
    "font": {**_TEXT, "color": INK},
    "hovermode": "closest",
    "hoverlabel": {"font": _TEXT, "align": "left"},
    "dragmode": False,
    "autotypenumbers": "strict",
}
_AXIS: Json = {"gridcolor": GRID, "ticks": "", "fixedrange": True, "automargin": True, "ticklabelstandoff": 4}


@dataclass(frozen=True)
class Figure:
    """A figure of Plotly: its traces and its layout."""

    data: Sequence[Json]
    layout: Json

    @property
    def as_text(self) -> str:
        """The numbers of the figure in words, for those who cannot see it."""
        return "; ".join(_series(self.data))

    def to_json(self) -> str:
        """Return the figure as Plotly reads it in the browser; NaN becomes null, which leaves a gap.

        Its ``meta.text`` is the figure as text, which the page's script gives to screen readers.
        """
        layout = {**self.layout, "meta": {**self.layout.get("meta", {}), "text": self.as_text}}
        return json.dumps(nan_to_none({"data": list(self.data), "layout": layout}), allow_nan=False)

    def to_plotly(self) -> graph_objects.Figure:
        """Return the figure as Plotly's own object, for notebooks and files.

        Raises:
            ValueError: the figure has a key or value that Plotly does not know.
        """
        return late.graph_objects.Figure(json.loads(self.to_json()))


def _series(data: Sequence[Json]) -> Iterator[str]:
    """Yield a line of text for every bar colour, curve and row of a heat map."""
    for trace in data:
        if trace["type"] == "heatmap":
            for cells, row in zip(trace["customdata"], trace["text"], strict=True):
                yield _line(cells[0][0], [column for _, column in cells], row)
        else:
            labels, values = (trace["customdata"], trace["x"]) if trace["type"] == "bar" else (trace["x"], trace["y"])
            yield _line(
                trace.get("name", "points"), labels, ["–" if math.isnan(value) else f"{value:.3g}" for value in values]
            )


def _line(name: str, labels: Iterable[Any], values: Iterable[str]) -> str:
    pairs = (f"{label} {value}" for label, value in zip(labels, values, strict=True))
    return html.unescape(f"{name}: {', '.join(pairs)}")


def styled(
    height: int,
    data: Sequence[Json],
    *,
    xaxis: Mapping[str, Any],
    yaxis: Mapping[str, Any],
    legend: Mapping[str, Any] | None = None,
    **layout: Any,
) -> Figure:
    """Return traces on a transparent background with the shared margins and a height independent of the data."""
    return Figure(
        data,
        {
            **_LAYOUT,
            "height": height,
            "legend": {**_LEGEND, **(legend or {})},
            "xaxis": {**_AXIS, "zerolinecolor": GRID, "zerolinewidth": 2, **xaxis},
            "yaxis": {**_AXIS, "zeroline": False, **yaxis},
            **layout,
        },
    )


def axis_title(text: str) -> Json:
    """Return the value of ``title`` of an axis."""
    return {"text": text, "font": {"size": 13}, "standoff": 15}


def css_variables() -> str:
    """Return CSS variables of colours and font, such as ``--u-erased`` and ``--u-font``, for every colour scheme."""
    schemes = {name: f"light-dark({CSS_COLOURS[name]}, {dark})" for name, dark in CSS_COLOURS_ON_DARK.items()}
    values = " ".join(f"--u-{name}: {value};" for name, value in {**CSS_COLOURS, **schemes, "font": FONT}.items())
    return f":root {{ {values} }}\n"


def marked(label: str, erased: Collection[str], *, longest: int = 18) -> str:
    """Return ``label`` for an axis: escaped, shortened, and with a cross before it if it is erased."""
    short = label if len(label) <= longest else label[: longest - 1] + "…"
    text = html.escape(short)
    if label.casefold() in {name.casefold() for name in erased}:
        return f"<span style='color:{ERASED_COLOUR}'>✕ {text}</span>"
    return text
