"""What was asked for is kept: links, the panel, another model and other words read it, not what came of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers.fakes import NAMES, FakeEncoder, drawing, fake_services
from torch.nn import functional as F

from unlearn.app import services as services_module
from unlearn.app.asked import ErasureRequest
from unlearn.app.imports import follow
from unlearn.app.links import link_of, read_link, write_link
from unlearn.app.model_choice import choose
from unlearn.app.requests import cleaned, erase, request_of
from unlearn.app.services import Services
from unlearn.app.session import Session, Visitor
from unlearn.clip import models
from unlearn.concepts.selection import Vocabulary
from unlearn.data.gallery import Gallery, GalleryImage
from unlearn.errors import ConceptError

NEIGHBOURS = ErasureRequest(["cat"], strength=0.8, retain="neighbours", own_retain=[])


class Elsewhere(FakeEncoder):
    """The fake model, to which other words are close."""

    name = "elsewhere"

    def encode_text(self, texts):
        return F.normalize(super().encode_text(texts).flip(-1).abs(), dim=-1)


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    monkeypatch.setattr(services_module, "NEIGHBOURS_RETAINED", 5)
    monkeypatch.setattr(models, "load_clip", lambda name, **_: Elsewhere())
    return fake_services()


@pytest.fixture
def visitor(services: Services) -> Visitor:
    """Somebody who has erased a concept and retains its neighbours."""
    visitor = Visitor()
    erase(services, visitor, NEIGHBOURS)
    return visitor


def test_nearest_neighbours_are_still_asked_for_by_a_link(services: Services, visitor: Visitor):
    query = write_link(link_of(services, visitor.session))
    assert query == "?forget=cat&retain=neighbours&strength=0.8"
    other = Visitor()
    follow(services, other, read_link(query.removeprefix("?")))
    assert request_of(services, other.session) == NEIGHBOURS
    assert other.session.erasure.selection == visitor.session.erasure.selection


@pytest.mark.parametrize(("model", "vocabulary"), [("elsewhere", ""), ("", ", ".join(NAMES[:12])), ("", "cat, dog")])
def test_they_are_those_of_another_model_or_vocabulary(services, visitor, model: str, vocabulary: str):
    before = visitor.session.erasure.selection.retain
    session = choose(services, visitor, model, vocabulary)
    after = session.erasure.selection.retain
    assert after == services.neighbours(session, ["cat"])
    assert set(after) <= set(services.vocabulary_of(session).names)
    assert after != before
    assert request_of(services, session) == NEIGHBOURS
    choose(services, visitor, "", "")
    assert visitor.session.erasure.selection.retain == before


def test_the_rest_of_the_words_stays_that_once_images_bring_a_word(services: Services):
    visitor = Visitor()
    erase(services, visitor, ErasureRequest(["cat"]))
    mug = Gallery("own", (GalleryImage("mug", "a mug", lambda: drawing("cat")),))
    visitor.change(uploads=mug, measured_on="own")
    assert "mug" in services.vocabulary_of(visitor.session).names
    assert write_link(link_of(services, visitor.session)) == "?forget=cat"


@pytest.mark.parametrize(
    "asked",
    [
        ErasureRequest(["cat"]),
        NEIGHBOURS,
        ErasureRequest(
            ["cat", "fox"],
            strength=0.5,
            form="nullspace",
            side="both",
            retain="list",
            own_retain=["dog", "bus"],
            lam=10.0,
            mu=2.0,
            synonyms=False,
        ),
    ],
)
def test_an_erasure_without_its_request_tells_which_makes_it(services: Services, asked: ErasureRequest):
    came = Session(erasure=services.erase(Session(), asked))
    assert came.request is None
    assert request_of(services, came) == cleaned(asked)


def test_a_request_goes_with_its_erasure(services: Services, visitor: Visitor):
    assert visitor.session.request == NEIGHBOURS
    visitor.change(measured_on="gallery")
    assert visitor.session.request == NEIGHBOURS
    visitor.change(erasure=services.erase(Session(), ErasureRequest(["dog"])))
    assert visitor.session.request is None
    assert request_of(services, visitor.session).forget == ["dog"]
    assert request_of(services, visitor.change(erasure=None)) == ErasureRequest()


def test_what_cannot_be_erased_leaves_what_was(services: Services, visitor: Visitor):
    before = visitor.session
    with pytest.raises(ConceptError):
        erase(services, visitor, replace(NEIGHBOURS, retain="list"))
    assert visitor.session is before


def test_a_request_for_other_words_is_dropped_with_its_erasure(services: Services, visitor: Visitor):
    late = visitor.session
    visitor.change(vocabulary=Vocabulary.of(["cat", "dog"]), erasure=None)
    visitor.change(since=late, erasure=late.erasure, request=late.request)
    assert (visitor.session.erasure, visitor.session.request) == (None, None)


def test_a_name_is_kept_once_and_a_list_only_where_it_is_retained():
    asked = ErasureRequest([" cat", "Cat", "dog "], own_retain=["fox", "fox"])
    assert cleaned(asked) == ErasureRequest(["cat", "dog"], own_retain=[])
    assert cleaned(replace(asked, retain="list")).own_retain == ["fox"]
