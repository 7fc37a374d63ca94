"""Edits are undone and redone: with their requests, up to a bound, and not across models or vocabularies."""

from __future__ import annotations

import pytest
from helpers.fakes import fake_services

from unlearn.app.asked import ErasureRequest
from unlearn.app.model_choice import choose
from unlearn.app.requests import cleaned, erase, undo
from unlearn.app.services import Services
from unlearn.app.session import MOST_UNDONE, Visitor


@pytest.fixture(scope="module")
def services() -> Services:
    return fake_services()


def test_undo_and_redo_bring_back_the_very_edit(services: Services):
    visitor = Visitor()
    first = erase(services, visitor, ErasureRequest(["cat"]))
    second = erase(services, visitor, ErasureRequest(["cat", "dog"], form="nullspace"))
    assert undo(visitor).erasure is first.erasure
    assert undo(visitor).erasure is None
    assert undo(visitor) is visitor.session, "there is nothing before it"
    assert undo(visitor, again=True).request == first.request
    assert undo(visitor, again=True).erasure is second.erasure
    assert undo(visitor, again=True) is visitor.session
    undo(visitor)
    third = erase(services, visitor, ErasureRequest(["pizza"]))
    assert third.future == (), "a new edit ends what was undone"
    assert undo(visitor).erasure is first.erasure


def test_moves_of_the_strength_are_one_change(services: Services):
    visitor = Visitor()
    erase(services, visitor, ErasureRequest(["cat"]))
    for strength in (0.9, 0.8, 0.7):
        erase(services, visitor, ErasureRequest(["cat"], strength=strength))
    assert undo(visitor).request == cleaned(ErasureRequest(["cat"]))
    assert undo(visitor, again=True).request == cleaned(ErasureRequest(["cat"], strength=0.7))


def test_the_history_is_bounded_and_ends_with_model_and_words(services: Services):
    visitor = Visitor()
    for number in range(MOST_UNDONE + 5):
        erase(services, visitor, ErasureRequest([f"thing {'x' * number}"]))
    assert len(visitor.session.past) == MOST_UNDONE
    choose(services, visitor, "", "cat, dog, spaceship")
    assert visitor.session.past == ()
