"""Conversion of missing numbers: NaN inside this package, null in JSON, a gap in a chart."""

from __future__ import annotations

import math
from typing import Any


def nan_to_none(value: Any) -> Any:
    """Return ``value``, or None for NaN; converts the contents of dictionaries and sequences too, keys to text."""
    if isinstance(value, dict):
        return {str(key): nan_to_none(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_none(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def or_nan(value: Any) -> Any:
    """Return NaN for None, the inverse of :func:`nan_to_none`, for JSON in which null has no other meaning."""
    if isinstance(value, dict):
        return {key: or_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [or_nan(item) for item in value]
    return math.nan if value is None else value
