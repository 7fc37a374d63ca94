"""A cell of the table of attacks holds one number."""

from __future__ import annotations

from unlearn.attacks.finding import Verdict
from unlearn.bench.attacks import Tally


def runs(*found: tuple[float, Verdict]) -> list[dict[str, object]]:
    return [{"name": (value, 0.5, str(verdict))} for value, verdict in found]


def test_an_attack_is_a_mean_its_interval_and_a_count():
    tally = Tally.of(runs(*[(0.9, Verdict.LEAKED)] * 11, *[(0.5, Verdict.HELD)] * 9), "name")
    assert (tally.mean, tally.leaked, tally.concepts) == ("72", "11", "20")
    assert int(tally.low) < 72 < int(tally.high)


def test_concepts_to_which_it_does_not_apply_are_not_counted():
    assert Tally.of(runs((0.9, Verdict.LEAKED), (float("nan"), Verdict.NOT_APPLICABLE)), "name").concepts == "1"
    assert Tally.of(runs((float("nan"), Verdict.NOT_APPLICABLE)), "name") == Tally("–")
