"""Long measurements are written down as they are made, and go on where they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from unlearn.bench.measurements import Measurements


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


def test_a_failure_is_not_kept(tmp_path: Path):
    def fail():
        raise RuntimeError

    measurements = Measurements(tmp_path / "runs.jsonl")
    with pytest.raises(RuntimeError):
        measurements.get("a", fail)
    assert measurements.get("a", lambda: {"value": 1}) == {"value": 1}
