"""Picture, query and prompt follow what is erased until the visitor chooses their own."""

from __future__ import annotations

import pytest

from unlearn.app import following, sources
from unlearn.app.asked import ErasureRequest
from unlearn.app.requests import erase
from unlearn.app.services import CHART_LABELS, Services
from unlearn.app.session import Session, Visitor


@pytest.fixture
def visitor(services: Services) -> Visitor:
    visitor = Visitor()
    image = sources.alone(services.clearest_image(visitor.session, "dog"))
    visitor.change(image=image, focus="dog")
    return visitor


def erased(services: Services, visitor: Visitor, *names: str) -> Session:
    erase(services, visitor, ErasureRequest(names))
    return following.follow(services, visitor)


def concept_in(session: Session) -> str:
    assert session.image
    return session.image.images[0].concept


def test_picture_query_and_prompt_follow_the_first_erased_concept(services, visitor):
    before = visitor.session
    session = erased(services, visitor, "guitar", "pizza")
    assert (session.focus, concept_in(session)) == ("guitar", "guitar")
    assert following.followed("a dog", following.query_for, before, session) == "a guitar"
    prompt = following.prompt_for(before)
    assert prompt == "a dog and a pizza on a blue background"
    after = following.followed(prompt, following.prompt_for, before, session)
    assert after == "a guitar and a dog on a blue background", "what stands beside it is not erased"


def test_an_article_fits_its_noun(services, visitor):
    assert following.query_for(erased(services, visitor, "apple")) == "an apple"


def test_what_the_visitor_chose_stays(services, visitor):
    chosen = sources.alone(services.clearest_image(visitor.session, "rose"))
    before = visitor.change(image=chosen, chose_image=True)
    session = erased(services, visitor, "guitar")
    assert session.focus == "guitar"
    assert session.image is chosen
    assert following.followed("my query", following.query_for, before, session) == "my query"


def test_a_concept_without_pictures_moves_nothing(services, visitor):
    before = visitor.session
    session = erased(services, visitor, "spaceship")
    assert session.focus == "dog"
    assert session.image is before.image
    assert erased(services, visitor, "spaceship", "cat").focus == "cat", "the first of which there are pictures"


def test_erased_labels_stand_on_the_chart_known_or_not(services, visitor):
    session = erased(services, visitor, "guitar", "drum", "spaceship")
    for probabilities in services.zero_shot(session).probabilities.values():
        assert {"guitar", "drum", "spaceship"} <= set(probabilities)
        assert len(probabilities) == CHART_LABELS
    assert set(services.zero_shot(session, ["cat", "dog"]).probabilities["CCUP"]) == {"cat", "dog"}
