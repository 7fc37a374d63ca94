"""Chart of accuracy against the strength as SVG lines, so that a report needs no script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unlearn.plots.style import PARTS
from unlearn.plots.trade_off import DASHES
from unlearn.sweeps.point import TradeOffPoint

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 560, 240, 44, 34, 10
STROKES = {"solid": "", "dash": "7 4", "dot": "2 4"}


@dataclass(frozen=True)
class Line:
    """A line of the chart: its points in SVG notation, and its style."""

    corners: str
    colour: str
    dashes: str


@dataclass(frozen=True)
class StrengthChart:
    """Accuracy on erased and on other images against the strength, one line per form.

    Attributes:
        lines: lines to draw.
        forms: dash of each form that is drawn.
    """

    lines: Sequence[Line]
    forms: dict[str, str]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    ticks: tuple[float, ...] = (0, 0.25, 0.5, 0.75, 1)

    @classmethod
    def of(cls, points: Sequence[TradeOffPoint]) -> StrengthChart | None:
        """Return the chart of ``points``, or None if there are none."""
        if not points:
            return None
        lines, forms = [], {point.form: DASHES[point.form][0] for point in points}
        for form, dash in forms.items():
            own = sorted((point for point in points if point.form == form), key=lambda point: point.strength)
            for part, (_, colour) in PARTS.items():
                corners = " ".join(f"{cls.x(point.strength):.1f},{cls.y(getattr(point, part)):.1f}" for point in own)
                lines.append(Line(corners, colour, STROKES[dash]))
        return cls(lines, forms)

    @staticmethod
    def x(strength: float) -> float:
        return LEFT + strength * (WIDTH - LEFT)

    @staticmethod
    def y(accuracy: float) -> float:
        return TOP + (1 - accuracy) * (HEIGHT - TOP - BOTTOM)
