"""What is said of a fine-tuned model: what it erased, and that the list has moved on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from unlearn.app.asked import ErasureRequest
from unlearn.app.edits import FineTuned
from unlearn.app.requests import erase
from unlearn.app.services import Services
from unlearn.app.session import Visitor
from unlearn.concepts.selection import Vocabulary, select
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import CLIPEraseSettings


def tuned(*names: str, encoder: Any = None) -> FineTuned:
    selection = select(names, vocabulary=Vocabulary.of([*names, "car"]))
    return FineTuned(cast(Any, encoder), Erasure("cliperase", selection, CLIPEraseSettings()))


@pytest.mark.parametrize(
    ("names", "title"), [(("dog",), "CLIPErase (dog)"), (("dog", "cat", "bus"), "CLIPErase (dog and 2 more)")]
)
def test_the_legend_says_what_cliperase_erased(names, title):
    assert tuned(*names).title == title


def test_a_list_that_has_moved_on_is_said(services: Services):
    visitor = Visitor()
    session = erase(services, visitor, ErasureRequest(["guitar"]))
    known = replace(session, fine_tuned=tuned("dog", encoder=services.models.own))
    (said,) = [notice for notice in services.summary(known).notices if "moved on" in notice]
    assert "“dog”" in said
    assert "“guitar”" in said
    assert tuned("dog", "cat").moved_on(["cat", "dog"]) == ""
    assert tuned("dog").moved_on([]) == ""
