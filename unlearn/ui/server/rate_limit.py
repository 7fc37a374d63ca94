"""Rate limit: a token bucket for every address, in bounded memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from unlearn.ui.server.addresses import payer

#: Number of addresses to remember. A forgotten address starts again with a full bucket, so the oldest go first.
REMEMBERED = 10_000


class RateLimit:
    """Token buckets, one per address: ``per_minute`` tokens flow into each, and it holds a minute's worth.

    Called on the event loop alone, so it needs no lock.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, address: str) -> float:
        """Take a token for a request and return 0, or take none and return the seconds until one is available."""
        left = self._left(address)
        if left >= 1:
            self.charge(address, 1)
            return 0.0
        return (1 - left) * 60 / self.per_minute

    def charge(self, address: str, tokens: float) -> None:
        """Take ``tokens`` for the measured cost of a request; if the bucket has fewer, later requests wait."""
        left = max(self._left(address) - tokens, -float(self.per_minute))
        self._buckets.pop(payer(address), None)
        self._buckets[payer(address)] = (left, self._clock())
        while len(self._buckets) > REMEMBERED:
            self._buckets.popitem(last=False)

    def _left(self, address: str) -> float:
        now = self._clock()
        left, since = self._buckets.get(payer(address), (float(self.per_minute), now))
        return min(float(self.per_minute), left + (now - since) * self.per_minute / 60)
