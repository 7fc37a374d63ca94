"""What is remembered for an owner goes with it; what is loaded by name makes room for others and holds up nobody."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from unlearn.attacks.split import Split
from unlearn.caching import Cache, Loaded, ObjectCache


class Encoder:
    """Something to remember values for."""


def test_only_what_is_missing_is_computed():
    cache, encoder, asked = ObjectCache(most=3), Encoder(), []

    def compute(missing: list[str]) -> list[str]:
        asked.append(missing)
        return [key.upper() for key in missing]

    assert cache.get_all(encoder, ["a", "b", "a"], compute) == ["A", "B", "A"]
    assert cache.get_all(encoder, ["b", "c"], compute) == ["B", "C"]
    assert asked == [["a", "b"], ["c"]]
    assert cache.get(encoder, "a", lambda: pytest.fail("known")) == "A"
    cache.get_all(encoder, ["d"], compute)  # makes room: b was asked for longest ago
    cache.get_all(encoder, ["a", "b"], compute)
    assert asked[2:] == [["d"], ["b"]]


def test_a_growing_cache_keeps_a_set_larger_than_itself():
    cache, many, computed = Cache(most=3, grows=True), list(range(10)), []

    def compute(missing: list[int]) -> list[int]:
        computed.extend(missing)
        return missing

    for asked in (many, [10, 11], many):
        assert cache.get_all(asked, compute) == asked
    assert computed == list(range(12)), "none is computed twice"
    cache.get_all(list(range(100, 109)), compute)
    cache.get_all([0, 10], compute)
    assert [computed.count(key) for key in (0, 10)] == [1, 2], "there is room for twice the largest set, and no more"


def test_values_do_not_keep_their_encoder_alive():
    cache, encoder = ObjectCache(most=3), Encoder()
    value = weakref.ref(cache.get(encoder, "key", Encoder))
    gone = weakref.ref(encoder)
    assert value() is not None
    del encoder
    gc.collect()
    assert gone() is value() is None


def test_class_embeddings_are_encoded_once_a_name(words, monkeypatch):
    encoded: list[str] = []
    encode = words.encode_text
    monkeypatch.setattr(words, "encode_text", lambda texts: encoded.extend(texts) or encode(texts))
    first = words.text_features(["cat", "dog"], ["{}"])
    again = words.text_features(["dog", "pizza", "cat"], ["{}"])
    assert encoded == ["cat", "dog", "pizza"]
    assert torch.equal(first, again[[2, 0]])
    words.keep_text_features(["car", "cat"], ["{}"], torch.ones(2, words.embed_dim))
    kept = words.text_features(["cat", "car"], ["{}"])
    assert torch.equal(kept[0], first[0]), "what is known stays"
    assert torch.equal(kept[1], torch.ones(words.embed_dim))


def test_the_images_of_a_concept_are_kept_as_long_as_few_others_are_attacked(toy_gallery):
    first = Split.of(toy_gallery.test, "frog", copies=2)
    again = Split.of(toy_gallery.test, "FROG", copies=2)
    assert again.own is first.own
    assert again.some is first.some
    assert Split.of(toy_gallery.test, "frog", copies=2, seed=1).own is not first.own
    view = weakref.ref(first.own)
    del first, again
    for number in range(100):
        Split.of(toy_gallery.test, f"a word that somebody typed, {number}")
    gc.collect()
    assert view() is None


class Loader:
    """Loads any name at once, and counts; ``slow`` waits to be let go on, ``damaged`` fails."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, name: str) -> str:
        self.asked.append(name)
        if name == "slow":
            self.begun.set()
            assert self.go_on.wait(10)
        if name == "damaged":
            raise OSError(name)
        return name.upper()


def test_what_is_loaded_is_loaded_once_and_the_least_recently_used_makes_room():
    load = Loader()
    loaded = Loaded(load, most=2)
    assert [loaded.get(name) for name in ("a", "b", "a", "c")] == ["A", "B", "A", "C"]
    assert [loaded.find(name) for name in ("a", "b", "c")] == ["A", None, "C"]
    assert load.asked == ["a", "b", "c"]


def test_what_cannot_be_loaded_displaces_nothing_and_is_tried_again():
    load = Loader()
    loaded = Loaded(load, most=1)
    loaded.get("a")
    for _ in range(2):
        with pytest.raises(OSError, match="damaged"):
            loaded.get("damaged")
    assert loaded.find("a") == "A"
    assert loaded.find("damaged") is None
    assert load.asked == ["a", "damaged", "damaged"]


def test_what_is_kept_is_never_displaced_and_displaces_nothing():
    load = Loader()
    loaded = Loaded(load, most=1, kept=("own",))
    for name in ("own", "a", "b", "own"):
        loaded.get(name)
    assert [loaded.find(name) for name in ("own", "a", "b")] == ["OWN", None, "B"]
    assert load.asked == ["own", "a", "b"]


@pytest.mark.parametrize("other", ["loaded", "new", "own"])
def test_a_slow_load_holds_up_nobody_who_wants_something_else(other: str):
    load = Loader()
    loaded = Loaded(load, most=2, kept=("own",))
    loaded.get("loaded")
    with ThreadPoolExecutor() as threads:
        waiting = [threads.submit(loaded.get, "slow") for _ in range(3)]
        assert load.begun.wait(10)
        try:
            for name in (other, "loaded"):
                assert threads.submit(loaded.get, name).result(10) == name.upper()
            assert loaded.find("slow") is None
        finally:
            load.go_on.set()
        assert [future.result(10) for future in waiting] == ["SLOW"] * 3
    assert load.asked.count("slow") == 1
    assert loaded.find("slow") == "SLOW", "asked for before the others, it came last"


def test_no_more_load_at_once_than_may_stay_but_for_what_is_kept():
    load = Loader()
    loaded = Loaded(load, most=1, kept=("own",))
    with ThreadPoolExecutor() as threads:
        slow = threads.submit(loaded.get, "slow")
        assert load.begun.wait(10)
        try:
            assert threads.submit(loaded.get, "own").result(10) == "OWN"
            another = threads.submit(loaded.get, "another")
            with pytest.raises(TimeoutError):
                another.result(0.1)
        finally:
            load.go_on.set()
        assert slow.result(10) == "SLOW"
        assert another.result(10) == "ANOTHER"


def test_a_failure_is_told_to_all_who_wait_for_it():
    begun, go_on = threading.Event(), threading.Event()

    def fail(name: str) -> str:
        begun.set()
        assert go_on.wait(10)
        raise OSError(name)

    loaded = Loaded(fail, most=1)
    with ThreadPoolExecutor() as threads:
        waiting = [threads.submit(loaded.get, "gone") for _ in range(2)]
        assert begun.wait(10)
        go_on.set()
        for future in waiting:
            with pytest.raises(OSError, match="gone"):
                future.result(10)
