"""A link says what a session has, and what it says is checked like what is typed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers.fakes import NAMES
from hypothesis import given
from hypothesis import strategies as st

from unlearn.app.asked import ErasureRequest, FineTuneRequest
from unlearn.app.imports import follow
from unlearn.app.links import Link, link_of, read_link, write_link
from unlearn.app.requests import request_of
from unlearn.app.services import Services
from unlearn.app.session import Session, Visitor
from unlearn.errors import InvalidInputError, ModelError, UnlearnError

NAME = st.text(min_size=1, max_size=12).map(str.strip).filter(bool)
REQUESTS = st.builds(
    ErasureRequest,
    forget=st.lists(NAME, min_size=1, max_size=4),
    strength=st.floats(0, 1),
    form=st.sampled_from(["paired", "consistent", "nullspace"]),
    side=st.sampled_from(["image", "text", "both"]),
    retain=st.sampled_from(["vocabulary", "neighbours"]),
    lam=st.floats(1e-3, 1e6),
    mu=st.floats(0, 1e6),
    synonyms=st.booleans(),
)


@given(request=REQUESTS, model=st.sampled_from(["", "ViT-B-32/openai", "hf-hub:org/repo"]), words=NAME)
def test_what_is_written_is_read(request: ErasureRequest, model: str, words: str):
    link = Link(model, words, request, FineTuneRequest(steps=70, learning_rate=1e-4, trainable="lora"))
    assert read_link(write_link(link).removeprefix("?")) == link


def test_only_what_differs_stands_in_it():
    assert (
        write_link(Link(erasure=ErasureRequest(["cat", "hot dog"], strength=0.8))) == "?forget=cat,hot+dog&strength=0.8"
    )
    assert read_link("") == Link()
    assert read_link("__theme=dark&utm_source=x") == Link()


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("forget=cat&strength=much", "strength in this link is 'much'"),
        ("forget=cat&synonyms=maybe", "synonyms in this link"),
        ("method=magic", "choose one of ccup, cliperase"),
        ("method=cliperase&steps=many", "steps in this link"),
        ("&".join(f"forget=x{i}" for i in range(2000)), "more than 1,000 parameters"),
    ],
)
def test_a_link_that_cannot_be_read_is_refused(query: str, sentence: str):
    with pytest.raises(InvalidInputError, match=sentence):
        read_link(query)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("forget=cat&strength=7", "from 0 to 1"),
        ("forget=cat&strength=nan", "from 0 to 1"),
        ("forget=cat&form=gentle", "choose one of"),
        ("forget=cat&lam=-1", "lambda"),
        ("forget=%F0%9F%98%80", "has no letters"),
        ("forget=" + "x" * 5000, "too long"),
        ("forget=cat&retain=list", "retain list is empty"),
        ("forget=cat&retain=list&own_retain=cat", "take it off one"),
        ("model=ViT-B-32//etc/passwd&forget=cat", "is not among"),
        ("model=local-dir:/etc&forget=cat", "There is no model"),
        ("vocabulary=one&forget=cat", "at least two words"),
        ("method=cliperase&trainable=nothing", "trainable is"),
        ("method=cliperase&steps=-1", "steps is"),
    ],
)
def test_what_a_link_asks_for_is_checked_and_leaves_nothing_behind(services: Services, query: str, sentence: str):
    visitor = Visitor()
    with pytest.raises(UnlearnError, match=sentence):
        follow(services, visitor, read_link(query))
    assert visitor.session == Session()


def test_a_followed_link_gives_the_session_it_was_made_of(services: Services):
    asked = ErasureRequest(
        ["cat", "tulip"],
        strength=0.6,
        form="nullspace",
        side="both",
        retain="list",
        own_retain=["dog", "fox"],
        lam=500.0,
        mu=10.0,
        synonyms=False,
    )
    first, second = Visitor(), Visitor()
    first.change(erasure=services.erase(first.session, asked))
    follow(services, second, read_link(write_link(link_of(services, first.session)).removeprefix("?")))
    assert second.session.erasure.selection == first.session.erasure.selection
    assert second.session.erasure.settings == first.session.erasure.settings
    assert request_of(services, second.session) == replace(asked, own_retain=["dog", "fox"])


def test_nothing_erased_is_said_too(services: Services):
    assert write_link(link_of(services, Session())) == "?forget="
    visitor = Visitor()
    visitor.change(erasure=services.erase(Session(), ErasureRequest(["cat"])))
    follow(services, visitor, read_link("forget="))
    assert visitor.session.erasure is None


def test_the_rest_of_the_words_is_not_a_list(services: Services):
    session = Session(erasure=services.erase(Session(), ErasureRequest(["kitten"])))
    assert request_of(services, session) == ErasureRequest(["cat"], own_retain=[])


def test_too_many_words_for_an_address_are_refused(services: Services):
    asked = ErasureRequest(["cat"], retain="list", own_retain=[f"{NAMES[1]} number {i} of many" for i in range(400)])
    with pytest.raises(InvalidInputError, match="too much for a link"):
        write_link(Link(erasure=asked))


def test_a_model_out_of_reach_is_told(services: Services):
    with pytest.raises(ModelError):
        follow(services, Visitor(), Link(model="no-such-model"))
