"""Targets over the toy model: one from which nothing was erased, one after CCUP, one after LEACE."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from unlearn.attacks.target import AttackTarget
from unlearn.concepts.selection import select
from unlearn.erasers import methods
from unlearn.progress import run_to_end


@pytest.fixture(scope="session")
def target_of(toy, toy_gallery, toy_vocabulary) -> Callable[[str], AttackTarget]:
    """A target whose “apple” was erased with a method of the list."""

    def target_of(method: str) -> AttackTarget:
        selection = select("apple", vocabulary=toy_vocabulary)
        task = methods.Task(toy, selection, toy_vocabulary, toy_gallery.train, toy_gallery.test)
        edited = run_to_end(methods.COMPARED[method].fit(task)).apply(toy)
        return AttackTarget(selection.forget[0], toy, edited, toy_gallery.train, toy_gallery.test, toy_vocabulary)

    return target_of
