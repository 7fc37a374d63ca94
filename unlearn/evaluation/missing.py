"""Numbers that are not there: NaN in here, null to programs, a gap in a chart."""

from __future__ import annotations

import math
from typing import Any


def nan_to_none(value: Any) -> Any:
    """``value``, or None for NaN; whatever dictionaries and sequences hold in the same way, keys as text."""
    if isinstance(value, dict):
        return {str(key): nan_to_none(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_none(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def or_nan(value: Any) -> Any:
    """The inverse of :func:`nan_to_none`, for JSON in which null means nothing else."""
    if isinstance(value, dict):
        return {key: or_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [or_nan(item) for item in value]
    return math.nan if value is None else value
