"""Values that cost something and depend on an encoder: computed once, gone when the encoder is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

Value = TypeVar("Value")


class PerEncoder(Generic[Value]):
    """A small least-recently-used cache for every encoder, held weakly: it never keeps a visitor's weights alive."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: WeakKeyDictionary[object, OrderedDict[Hashable, Value]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, encoder: object, key: Hashable, compute: Callable[[], Value]) -> Value:
        """The value of ``key`` for ``encoder``, computed by ``compute`` if it is not known yet."""
        with self._lock:
            known = self._values.setdefault(encoder, OrderedDict())
            if key in known:
                known.move_to_end(key)
                return known[key]
        value = compute()  # outside the lock: two visitors may compute the same, nobody waits for a stranger
        with self._lock:
            known[key] = value
            while len(known) > self._most:
                known.popitem(last=False)
        return value
