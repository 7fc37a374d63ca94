"""Long measurements are written down as they are made, and go on where they were."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from unlearn.bench.measurements import Measurements
from unlearn.errors import ParameterError


def test_what_was_measured_is_not_measured_again(tmp_path: Path):
    asked: list[str] = []

    def measure(name: str):
        return lambda: (asked.append(name), {"value": len(asked)})[1]

    file = tmp_path / "runs.jsonl"
    first = Measurements(file)
    assert first.get("a", measure("a")) == {"value": 1}
    assert first.get("b", measure("b")) == {"value": 2}
    again = Measurements(file)
    assert again.get("a", measure("a")) == {"value": 1}
    assert again.get("c", measure("c")) == {"value": 3}
    assert asked == ["a", "b", "c"]


def test_a_run_that_was_cut_off_is_measured_anew(tmp_path: Path):
    file = tmp_path / "runs.jsonl"
    Measurements(file).get("a", lambda: {"value": 1})
    file.write_text(file.read_text() + '\n{"name": "b", "meas')
    again = Measurements(file)
    assert again.get("b", lambda: {"value": 2}) == {"value": 2}
    assert Measurements(file).get("a", dict) == {"value": 1}
    assert Measurements(file).get("b", dict) == {"value": 2}, "the half line does not spoil the next one"


@pytest.mark.parametrize(
    "content",
    [
        "# A page of text",
        "[]",
        "5",
        '{"name": "a"}',
        '{"name": 5, "measured": {}}',
        '{"name": "a", "measured": {"value": NaN}}',
        '{"name": "a", "measured": {"value": 1e999}}',
        '{"name": "a", "measured": {}, "more": 1}',
        '{"name": "a", "name": "b", "measured": {}}',
        '{"name": "\\ud800", "measured": {}}',
        '{"name": "a", "measured": ' + "[" * 4000 + "]" * 4000 + "}",
    ],
)
def test_another_file_is_refused_and_left_alone(content: str, tmp_path: Path):
    (tmp_path / "runs.jsonl").write_text(content)
    with pytest.raises(ParameterError, match="is no file of measurements"):
        Measurements(tmp_path / "runs.jsonl")
    assert (tmp_path / "runs.jsonl").read_text() == content


def test_what_was_not_measured_stays_that(tmp_path: Path):
    Measurements(tmp_path / "runs.jsonl").get("a", lambda: {"found": [math.nan, 1.0]})
    assert "NaN" not in (tmp_path / "runs.jsonl").read_text()
    found = Measurements(tmp_path / "runs.jsonl").get("a", dict)["found"]
    assert math.isnan(found[0])
    assert found[1] == 1.0


def test_a_failure_is_not_kept(tmp_path: Path):
    def fail():
        raise RuntimeError

    measurements = Measurements(tmp_path / "runs.jsonl")
    with pytest.raises(RuntimeError):
        measurements.get("a", fail)
    assert measurements.get("a", lambda: {"value": 1}) == {"value": 1}
