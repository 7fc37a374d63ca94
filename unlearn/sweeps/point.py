"""One point of a trade-off curve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TradeOffPoint:
    """One measured edit: top-1 on forget and retain images (fractions), and its settings."""

    form: str
    strength: float
    num_erased: int
    forget: float
    retain: float
