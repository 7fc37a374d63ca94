"""A bucket for every address: it runs dry, fills again, and there are never too many of them."""

from __future__ import annotations

import pytest

from unlearn.ui.server import rate_limit
from unlearn.ui.server.rate_limit import RateLimit


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def allowed(limit: RateLimit, address: str, times: int) -> int:
    return sum(limit.wait(address) == 0 for _ in range(times))


def test_a_minutes_worth_at_once_then_as_much_as_flows_in(clock: Clock):
    limit = RateLimit(60, clock)
    assert allowed(limit, "192.0.2.1", 100) == 60
    clock.now += 10
    assert allowed(limit, "192.0.2.1", 100) == 10
    clock.now += 3600
    assert allowed(limit, "192.0.2.1", 100) == 60


def test_after_the_seconds_it_names_a_request_is_let_in(clock: Clock):
    limit = RateLimit(6, clock)
    allowed(limit, "192.0.2.1", 6)
    seconds = limit.wait("192.0.2.1")
    assert seconds == pytest.approx(10)
    clock.now += seconds - 0.01
    assert limit.wait("192.0.2.1") > 0
    clock.now += 0.02
    assert limit.wait("192.0.2.1") == 0


def test_what_a_request_costs_is_paid_by_the_next_ones(clock: Clock):
    limit = RateLimit(60, clock)
    limit.charge("192.0.2.1", 90)
    assert limit.wait("192.0.2.1") == pytest.approx(31)
    limit.charge("192.0.2.1", 1e9)
    assert limit.wait("192.0.2.1") == pytest.approx(61), "a debt is a minute at most"


def test_addresses_do_not_pay_for_each_other(clock: Clock):
    limit = RateLimit(5, clock)
    allowed(limit, "192.0.2.1", 9)
    assert limit.wait("192.0.2.1") > 0
    assert limit.wait("192.0.2.2") == 0


def test_a_subscribers_ipv6_addresses_are_one(clock: Clock):
    limit = RateLimit(5, clock)
    assert sum(limit.wait(f"2001:db8::{i:x}") == 0 for i in range(1, 50)) == 5
    assert limit.wait("2001:db8:0:1::1") == 0
    allowed(limit, "192.0.2.7", 5)
    assert limit.wait("::ffff:192.0.2.7") > 0, "the same address, written otherwise"


def test_memory_is_bounded_and_the_busiest_are_remembered(clock: Clock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rate_limit, "REMEMBERED", 100)
    limit = RateLimit(5, clock)
    allowed(limit, "attacker", 5)
    for i in range(1000):
        limit.wait(f"198.51.{i // 250}.{i % 250}")
        limit.charge("attacker", 1)
    assert len(limit) == 100
    assert limit.wait("attacker") > 0
