"""A value that takes seconds to make, made once by whoever needs it first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from unlearn.app.services import Services
    from unlearn.config import Settings

Value = TypeVar("Value")
#: How the screen holds its services: importing torch and loading a model must not keep the page waiting.
Provider = Callable[[], "Services"]


class Lazy(Generic[Value]):
    """Call it for the value. The first call makes it, calls meanwhile wait, and a failed call leaves it to the next."""

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[Value] = []

    @property
    def ready(self) -> bool:
        """Whether a call would return at once."""
        return bool(self._made)

    def __call__(self) -> Value:
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]


def is_ready(services: Provider) -> bool:
    """Whether ``services`` can be called without waiting for a model to load."""
    return not isinstance(services, Lazy) or services.ready


def lazy_services(settings: Settings) -> Lazy[Services]:
    """The services of ``settings``, loaded when they are first called for."""

    def load() -> Services:
        from unlearn.app.services import load_services

        return load_services(settings)

    return Lazy(load)
