"""Suspects over the toy model: one from which nothing was erased, one after CCUP, one after LEACE."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from unlearn.attacks.suspect import Suspect
from unlearn.concepts.selection import select
from unlearn.erasers import methods
from unlearn.jobs import drive


@pytest.fixture(scope="session")
def suspect_of(toy, toy_gallery, toy_vocabulary) -> Callable[[str], Suspect]:
    """A suspect whose “apple” was erased with a method of the list."""

    def suspect_of(method: str) -> Suspect:
        selection = select("apple", vocabulary=toy_vocabulary)
        task = methods.Task(toy, selection, toy_vocabulary, toy_gallery.train, toy_gallery.test)
        edited = drive(methods.fit(method, task)).apply(toy)
        return Suspect(selection.forget[0], toy, edited, toy_gallery.train, toy_gallery.test, toy_vocabulary)

    return suspect_of
