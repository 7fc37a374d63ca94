"""Caches: values computed once for the lifetime of their owner, and models loaded once by name."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Sequence
from concurrent.futures import Future
from contextlib import nullcontext
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Cache(Generic[Value]):
    """A least-recently-used cache of at most ``most`` values.

    If it ``grows``, it has room for twice the largest number of keys that were asked for at once: a set of keys that
    does not fit would be computed again at every request.
    """

    def __init__(self, most: int, *, grows: bool = False) -> None:
        self._most, self._grows = most, grows
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """Return the value of ``key``, computed by ``compute`` if it is not cached."""
        return self.get_all([key], lambda missing: [compute()])[0]

    def get_all(self, keys: Sequence[Key], compute: Callable[[list[Key]], Sequence[Value]]) -> list[Value]:
        """Return the values of ``keys``; ``compute`` is called once with the keys that are not cached."""
        with self._lock:
            found = {key: self._values[key] for key in keys if key in self._values}
            for key in found:
                self._values.move_to_end(key)
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        if missing:
            # Outside the lock: two visitors may compute the same value, but neither waits for the other.
            fresh = dict(zip(missing, compute(missing), strict=True))
            found |= fresh
            with self._lock:
                for key in missing:
                    self._values[key] = fresh[key]
                if self._grows:
                    self._most = max(self._most, 2 * len(found))
                while len(self._values) > self._most:
                    self._values.popitem(last=False)
        return [found[key] for key in keys]


class ObjectCache(Generic[Value]):
    """One :class:`Cache` per owner, such as an encoder or a gallery.

    Owners are held weakly: cached values do not keep a visitor's weights alive.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._caches: WeakKeyDictionary[object, Cache[Value]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, owner: object, key: Hashable, compute: Callable[[], Value]) -> Value:
        """Return the value of ``key`` for ``owner``, computed by ``compute`` if it is not cached."""
        return self._of(owner).get(key, compute)

    def get_all(
        self, owner: object, keys: Sequence[Key], compute: Callable[[list[Key]], Sequence[Value]]
    ) -> list[Value]:
        """Return the values of ``keys`` for ``owner``; ``compute`` is called once with the keys that are not cached."""
        return self._of(owner).get_all(keys, compute)

    def _of(self, owner: object) -> Cache[Value]:
        with self._lock:
            return self._caches.setdefault(owner, Cache(self._most))


class Loaded(Generic[Value]):
    """Values that take seconds to minutes to load, shared by name: ``kept`` stay for good, and ``most`` of the others.

    The least recently used value is dropped after another has loaded. :meth:`get` returns a loaded value at once.
    Concurrent callers of a loading value wait for the same load; a failed load raises in all of them.
    """

    def __init__(self, load: Callable[[str], Value], most: int, kept: Collection[str] = ()) -> None:
        self._load, self._most, self._kept = load, most, kept
        self._values: OrderedDict[str, Future[Value]] = OrderedDict()
        self._lock = threading.Lock()
        # Visitors choose the names and memory is limited: no more values load at once than may stay.
        self._room = threading.Semaphore(most)

    def find(self, name: str) -> Value | None:
        """Return the value called ``name`` if it is loaded, else None."""
        with self._lock:
            value = self._values.get(name)
            if value is None or not value.done():
                return None
            self._values.move_to_end(name)
        return value.result()

    def get(self, name: str) -> Value:
        """Return the value called ``name``, loading it if needed; a failed load raises and drops no other value."""
        with self._lock:
            begun = name in self._values
            value = self._values.setdefault(name, Future())
            self._values.move_to_end(name)
        if not begun:
            self._fill(name, value)
        return value.result()

    def _fill(self, name: str, value: Future[Value]) -> None:
        try:
            with nullcontext() if name in self._kept else self._room:
                loaded = self._load(name)
        except BaseException as error:  # whatever it was, waiting callers must be released
            with self._lock:
                del self._values[name]
            value.set_exception(error)
            return
        with self._lock:
            value.set_result(loaded)
            self._values.move_to_end(name)  # other names may have been requested during the load
            displaceable = [other for other, its in self._values.items() if its.done() and other not in self._kept]
            for oldest in displaceable[: -self._most]:
                del self._values[oldest]
