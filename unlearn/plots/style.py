"""Shared style of all figures: colours, font, background, and axis labels."""

from __future__ import annotations

import html
from collections.abc import Collection

import plotly.graph_objects as go

from unlearn.erasers.variants import BASELINE, BOTH, CCUP, CLIPERASE, ORIGINAL

#: One colour per variant everywhere: mid-tones readable on white and on black, distinguishable with colour blindness
#: (Okabe and Ito 2008, adjusted to equal lightness).
COLOURS = {
    ORIGINAL: "#8b929e",
    CCUP: "#2f86d6",
    CLIPERASE: "#e08a1e",
    BOTH: "#2a9d78",
    BASELINE: "#9a6fb0",
}
ERASED_COLOUR = "#d6455d"
INK, GRID = "#737b88", "rgba(128,136,149,0.22)"
#: Colours of style sheets, by the names of their CSS variables; those of small text differ on a dark background.
CSS_COLOURS = {
    "erased": ERASED_COLOUR,
    "accent": COLOURS[CCUP],
    "attention": COLOURS[CLIPERASE],
    "held": "#22855f",
    "picture-ground": "#fff",
}
CSS_COLOURS_ON_DARK = {"held": "#3fbf92"}
FONTS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
FONT = ", ".join(FONTS)
#: Names and colours of the two sides of every accuracy.
PARTS = {"forget": ("erased", ERASED_COLOUR), "retain": ("others", COLOURS[CCUP])}


def styled(height: int, *traces: object, **layout: object) -> go.Figure:
    """Return traces on a transparent background with the shared margins and a height independent of the data."""
    figure = go.Figure(list(traces))
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 16, "t": 32, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": FONT, "size": 13, "color": INK},
        # At the top of the figure, not of the plot: otherwise the legend covers the plot when the window widens.
        legend={"orientation": "h", "x": 0, "yref": "container", "y": 1, "yanchor": "top", "font": {"size": 13}},
        hoverlabel={"font": {"family": FONT, "size": 13}},
        dragmode=False,
        **layout,
    )
    axis = {"gridcolor": GRID, "fixedrange": True, "automargin": True, "ticklabelstandoff": 4, "title_font_size": 13}
    figure.update_xaxes(zerolinecolor=GRID, **axis)
    figure.update_yaxes(zeroline=False, **axis)
    return figure


def css_variables() -> str:
    """Return CSS variables of colours and font, such as ``--u-erased`` and ``--u-font``; dark under ``.dark``."""
    light, dark = (
        " ".join(f"--u-{name}: {value};" for name, value in values.items())
        for values in (CSS_COLOURS | {"font": FONT}, CSS_COLOURS_ON_DARK)
    )
    return f":root {{ {light} }}\n.dark {{ {dark} }}\n"


def marked(label: str, erased: Collection[str], *, longest: int = 18) -> str:
    """Return ``label`` for an axis: escaped, shortened, and with a cross before it if it is erased."""
    short = label if len(label) <= longest else label[: longest - 1] + "…"
    text = html.escape(short)
    if label.casefold() in {name.casefold() for name in erased}:
        return f"<span style='color:{ERASED_COLOUR}'>✕ {text}</span>"
    return text
