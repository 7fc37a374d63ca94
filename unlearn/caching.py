"""Values that cost something: computed once for what they belong to and gone when that is, or loaded once by name."""

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
    """A least-recently-used cache of ``most`` values."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """Return the value of ``key``, computed by ``compute`` if it is not known yet."""
        return self.get_all([key], lambda missing: [compute()])[0]

    def get_all(self, keys: Sequence[Key], compute: Callable[[list[Key]], Sequence[Value]]) -> list[Value]:
        """Return the values of ``keys``; ``compute`` gives those that are not known yet, all at once."""
        with self._lock:
            found = {key: self._values[key] for key in keys if key in self._values}
            for key in found:
                self._values.move_to_end(key)
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        if missing:
            # Outside the lock: two visitors may compute the same, nobody waits for another.
            fresh = dict(zip(missing, compute(missing), strict=True))
            found |= fresh
            with self._lock:
                for key in missing:
                    self._values[key] = fresh[key]
                while len(self._values) > self._most:
                    self._values.popitem(last=False)
        return [found[key] for key in keys]


class ObjectCache(Generic[Value]):
    """A :class:`Cache` for every owner, an encoder or a gallery, say.

    Owners are held weakly: what is remembered for a visitor's weights never keeps them alive.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._caches: WeakKeyDictionary[object, Cache[Value]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, owner: object, key: Hashable, compute: Callable[[], Value]) -> Value:
        """Return the value of ``key`` for ``owner``, computed by ``compute`` if it is not known yet."""
        return self._of(owner).get(key, compute)

    def get_all(
        self, owner: object, keys: Sequence[Key], compute: Callable[[list[Key]], Sequence[Value]]
    ) -> list[Value]:
        """Return the values of ``keys`` for ``owner``; ``compute`` gives those that are not known yet, all at once."""
        return self._of(owner).get_all(keys, compute)

    def _of(self, owner: object) -> Cache[Value]:
        with self._lock:
            return self._caches.setdefault(owner, Cache(self._most))


class Loaded(Generic[Value]):
    """What takes seconds to minutes to load, by name, shared by all: ``kept`` for good, of others ``most``.

    The least recently used makes room, once another is there. Whoever wants what is loaded waits for nobody, who wants
    what is loading waits for that, and a failure is told to all of them.
    """

    def __init__(self, load: Callable[[str], Value], most: int, kept: Collection[str] = ()) -> None:
        self._load, self._most, self._kept = load, most, kept
        self._values: OrderedDict[str, Future[Value]] = OrderedDict()
        self._lock = threading.Lock()
        # Names are strangers' choice and memory is not: no more load at once than may stay.
        self._room = threading.Semaphore(most)

    def find(self, name: str) -> Value | None:
        """What is called ``name``, if it is loaded."""
        with self._lock:
            value = self._values.get(name)
            if value is None or not value.done():
                return None
            self._values.move_to_end(name)
        return value.result()

    def get(self, name: str) -> Value:
        """What is called ``name``; raises what its loading raised, and then nothing has made room for it."""
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
        except BaseException as error:  # whatever it was, nobody waits for ever
            with self._lock:
                del self._values[name]
            value.set_exception(error)
            return
        with self._lock:
            value.set_result(loaded)
            self._values.move_to_end(name)  # others were asked for while it was loading
            displaceable = [other for other, its in self._values.items() if its.done() and other not in self._kept]
            for oldest in displaceable[: -self._most]:
                del self._values[oldest]
