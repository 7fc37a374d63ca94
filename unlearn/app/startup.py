"""Lazy values: slow to make, and made once, at the first call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from unlearn.app.services import Services

Value = TypeVar("Value")
#: Type in which the screen holds its services: importing torch and loading a model must not delay the page.
Provider = Callable[[], "Services"]


class Lazy(Generic[Value]):
    """A value made at the first call. Concurrent calls wait for it; after a failed call, the next one tries again."""

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[Value] = []

    @property
    def ready(self) -> bool:
        """True if a call would return at once."""
        return bool(self._made)

    def __call__(self) -> Value:
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]


def is_ready(services: Provider) -> bool:
    """Return whether ``services`` can be called without waiting for a model to load."""
    return not isinstance(services, Lazy) or services.ready
