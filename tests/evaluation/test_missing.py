"""Not-a-number is nobody's JSON."""

from __future__ import annotations

import json
import math

from unlearn.evaluation.missing import nan_to_none


def test_what_is_not_there_is_null_wherever_it_stands():
    answer = {1: math.nan, "rows": [{"after": math.nan, "n": 2}, (0.5, math.nan)], "name": "nan", "none": None}
    clean = {"1": None, "rows": [{"after": None, "n": 2}, [0.5, None]], "name": "nan", "none": None}
    assert nan_to_none(answer) == clean
    assert json.loads(json.dumps(nan_to_none(answer), allow_nan=False)) == clean
