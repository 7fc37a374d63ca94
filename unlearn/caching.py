"""Values that cost something and depend on an encoder, or on a gallery: computed once, gone when that is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class PerEncoder(Generic[Value]):
    """A small least-recently-used cache for every encoder, held weakly: it never keeps a visitor's weights alive.

    Whatever can be held weakly may stand in an encoder's place.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: WeakKeyDictionary[object, OrderedDict[Hashable, Value]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, encoder: object, key: Hashable, compute: Callable[[], Value]) -> Value:
        """The value of ``key`` for ``encoder``, computed by ``compute`` if it is not known yet."""
        return self.get_all(encoder, [key], lambda missing: [compute()])[0]

    def get_all(
        self, encoder: object, keys: Sequence[Key], compute: Callable[[list[Key]], Sequence[Value]]
    ) -> list[Value]:
        """The values of ``keys`` for ``encoder``; ``compute`` gives those that are not known yet, all at once."""
        with self._lock:
            known = self._values.setdefault(encoder, OrderedDict())
            found = {key: known[key] for key in keys if key in known}
            for key in found:
                known.move_to_end(key)
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        if missing:
            # Outside the lock: two visitors may compute the same, nobody waits for a stranger.
            fresh = dict(zip(missing, compute(missing), strict=True))
            found |= fresh
            with self._lock:
                for key in missing:
                    known[key] = fresh[key]
                while len(known) > self._most:
                    known.popitem(last=False)
        return [found[key] for key in keys]
