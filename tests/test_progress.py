"""A run's progress, alone and as part of a longer run."""

from __future__ import annotations

import pytest

from unlearn.errors import OutOfTimeError
from unlearn.progress import Progress, map_progress, within


def test_a_part_of_a_run_reports_its_share_of_the_whole_and_receives_errors():
    def part():
        yield Progress(1, 4)
        try:
            yield Progress(4, 4, whole=0.5)
        except OutOfTimeError:
            yield Progress(4, 4)
            return "so far"

    run = map_progress(part(), within(0.5, 0.9))
    assert next(run).fraction == pytest.approx(0.6)
    assert next(run).fraction == pytest.approx(0.7)
    assert run.throw(OutOfTimeError("late")).fraction == pytest.approx(0.9)
    with pytest.raises(StopIteration) as stop:
        next(run)
    assert stop.value.value == "so far"
