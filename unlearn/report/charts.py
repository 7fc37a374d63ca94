"""Two charts in plain HTML and SVG, so that a report needs no script."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape

from unlearn.plots.style import COLOURS, ERASED_COLOUR, PARTS
from unlearn.plots.trade_off import DASHES
from unlearn.sweeps.trade_off import TradeOffPoint

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 560, 240, 44, 34, 10

STROKES = {"solid": "", "dash": " stroke-dasharray='7 4'", "dot": " stroke-dasharray='2 4'"}


def bars(probabilities: Mapping[str, Mapping[str, float]], erased: Collection[str]) -> str:
    """Probability of every label, one bar a variant: {variant: {label: probability}}."""
    rows = ""
    for label in next(iter(probabilities.values())):
        drawn = "".join(
            f"<span class='bar' style='--p:{p[label]:.4f};--c:{COLOURS[variant]}'><i></i>{p[label]:.0%}</span>"
            for variant, p in probabilities.items()
        )
        mark = " class='erased'" if label in erased else ""
        rows += f"<dt{mark}>{'✕ ' if mark else ''}{escape(label)}</dt><dd>{drawn}</dd>"
    return f"<dl class='bars'>{rows}</dl>"


def strength_curves(points: Sequence[TradeOffPoint]) -> str:
    """Accuracy on erased and on other pictures against the strength, a line for each form."""
    lines, forms = "", list(dict.fromkeys(point.form for point in points))
    for form in forms:
        own = sorted((point for point in points if point.form == form), key=lambda point: point.strength)
        dash = STROKES[DASHES[form][0]]
        for part, (_, colour) in PARTS.items():
            places = " ".join(f"{_x(point.strength):.1f},{_y(getattr(point, part)):.1f}" for point in own)
            lines += f"<polyline points='{places}' fill='none' stroke='{colour}' stroke-width='2'{dash}/>"
    ticks = "".join(
        f"<line x1='{LEFT}' x2='{WIDTH}' y1='{_y(v)}' y2='{_y(v)}' class='grid'/>"
        f"<text x='{LEFT - 8}' y='{_y(v) + 4}' text-anchor='end'>{v:.0%}</text>"
        f"<text x='{_x(v)}' y='{HEIGHT - 16}' text-anchor='middle'>{v:g}</text>"
        for v in (0, 0.25, 0.5, 0.75, 1)
    )
    return (
        f"<svg viewBox='0 0 {WIDTH + 16} {HEIGHT}' role='img' aria-label='Accuracy against strength'>{ticks}{lines}"
        f"<text x='{_x(0.5)}' y='{HEIGHT - 1}' text-anchor='middle'>strength α</text></svg>"
        f"<p class='key'><b style='color:{ERASED_COLOUR}'>erased</b> and "
        f"<b style='color:{PARTS['retain'][1]}'>others</b>; "
        f"{', '.join(f'{DASHES[form][0]}: {form}' for form in forms)}</p>"
    )


def _x(strength: float) -> float:
    return LEFT + strength * (WIDTH - LEFT)


def _y(accuracy: float) -> float:
    return TOP + (1 - accuracy) * (HEIGHT - TOP - BOTTOM)
