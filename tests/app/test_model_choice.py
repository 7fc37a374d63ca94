"""Another model or vocabulary for one visitor: what is fitted again, what goes, what stays."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
from helpers.fakes import NAMES, FakeEncoder, fake_services
from helpers.waiting import ended
from torch.nn.functional import pad

from unlearn.app.asked import ErasureRequest
from unlearn.app.edits import FineTuned
from unlearn.app.imports import follow
from unlearn.app.links import Link
from unlearn.app.model_choice import choose, curated_choices, facts_of
from unlearn.app.runs import trade_offs
from unlearn.app.runs.fine_tuning import FINE_TUNING
from unlearn.app.services import Services
from unlearn.app.session import Visitor
from unlearn.app.sources import alone
from unlearn.clip import models
from unlearn.concepts.selection import select
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import CLIPEraseSettings
from unlearn.erasers.variants import CCUP, ORIGINAL
from unlearn.errors import ConceptError, ModelError
from unlearn.progress import Progress, run_to_end


class Wider(FakeEncoder):
    """The fake model with a joint space of its own."""

    name = "wider"
    embed_dim = 80

    def encode_text(self, texts):
        return pad(super().encode_text(texts), (0, 16))

    def encode_image(self, images):
        return pad(super().encode_image(images), (0, 16))


@pytest.fixture
def services(monkeypatch) -> Services:
    def load(name: str, *, precision: str, from_files: bool) -> Wider:
        if name != "wider":
            raise ModelError(f"There is no model “{name}”.")
        return Wider()

    monkeypatch.setattr(models, "load_clip", load)
    return fake_services()


@pytest.fixture
def visitor(services: Services) -> Visitor:
    visitor = Visitor()
    erasure = services.erase(visitor.session, ErasureRequest(["cat"], strength=0.9))
    visitor.change(erasure=erasure, image=alone(services.clearest_image(visitor.session, "cat")))
    return visitor


def test_an_erasure_is_fitted_anew_for_another_model(services, visitor):
    before = visitor.session
    visitor.change(trade_off=run_to_end(trade_offs.measure(services, before)))
    session = choose(services, visitor, "wider", "")
    assert session is visitor.session
    assert services.encoder_of(session).name == "wider"
    assert session.erasure.selection == before.erasure.selection
    assert session.erasure.settings == before.erasure.settings
    assert session.erasure.projection.matrix.shape == (80, 80)
    assert not trade_offs.holds(services, session), "the curves are of the other model"
    assert session.image is before.image
    accuracy = services.accuracy(session)
    assert (accuracy[ORIGINAL].forget.top1, accuracy[CCUP].forget.top1) == (1.0, 0.0)
    assert len(services.zero_shot(session).labels) == len(NAMES)


def test_two_visitors_have_two_models(services, visitor):
    other = Visitor()
    choose(services, other, "wider", "")
    assert services.encoder_of(visitor.session).name == "fake"
    assert services.encoder_of(other.session).name == "wider"


@pytest.mark.parametrize(
    ("model", "vocabulary", "error"),
    [("nothing", "", ModelError), ("", "cat", ConceptError), ("", " ", ConceptError), ("", "cat, 123", ConceptError)],
)
def test_what_cannot_be_used_leaves_everything_as_it_was(services, visitor, model, vocabulary, error):
    before = visitor.session
    with pytest.raises(error):
        choose(services, visitor, model, vocabulary)
    assert visitor.session is before


def test_it_says_what_it_waits_for(services, visitor):
    said: list[tuple[str, int, int]] = []
    choose(services, visitor, "wider", "", lambda *what: said.append(what))
    assert said[0] == ("Loading the model", 0, 0)
    assert said[-1][1] == said[-1][2] == len(services.gallery), "every picture was looked at"
    said.clear()
    choose(services, visitor, "wider", "", lambda *what: said.append(what))
    assert "Loading the model" not in {what for what, *_ in said}, "it was in memory"


def test_the_rest_of_the_vocabulary_is_the_rest_of_the_new_one(services, visitor):
    session = choose(services, visitor, "", "cat, dog, spaceship")
    assert services.vocabulary_of(session).names == ("cat", "dog", "spaceship")
    assert session.erasure.selection.retain == ("dog", "spaceship")
    assert {near.name for near in services.at_risk(session)} == {"dog", "spaceship"}
    assert services.accuracy(session)[ORIGINAL].retain.n == 2, "pictures of dogs; the others are of no word offered"
    back = choose(services, visitor, "", "")
    assert back.erasure.selection.retain == tuple(name for name in NAMES if name != "cat")


def test_a_retain_list_of_ones_own_outlasts_the_vocabulary(services, visitor):
    own = services.erase(visitor.session, ErasureRequest(["cat"], retain="list", own_retain=["dog", "pizza"]))
    visitor.change(erasure=own)
    session = choose(services, visitor, "wider", "cat, dog, spaceship")
    assert session.erasure.selection.retain == ("dog", "pizza")


def test_what_was_computed_for_another_model_does_not_come_into_force(services, visitor):
    session = visitor.session
    late = services.erase(session, ErasureRequest(["dog"]))
    choose(services, visitor, "wider", "")
    assert visitor.change(since=session, erasure=late).erased == ("cat",)
    assert visitor.change(since=replace(visitor.session), erasure=None).erased == ()


def test_facts_are_those_of_the_model_in_use(services, visitor):
    facts = facts_of(services, choose(services, visitor, "wider", "imagenet"))
    assert (facts.name, facts.words, facts.drives) == ("wider", 998, ())
    named = {name: label for label, name in curated_choices("wider")}
    assert list(named)[:2] == ["wider", "pocket"]
    assert "stable-diffusion-v1-5" in named["ViT-L-14/openai"]


class Finished:
    """In place of the line of runs: everybody's is done, and its result is of the model ``original``."""

    def __init__(self, original: object) -> None:
        self.result = SimpleNamespace(
            original=original,
            beside=None,
            is_run_of=lambda other: other is self.result,
            at=lambda strength: self.result,
        )
        self.forgotten: list[str] = []

    def find(self, key: str) -> SimpleNamespace:
        return SimpleNamespace(result=self.result)

    def forget(self, key: str) -> None:
        self.forgotten.append(key)


def test_a_fine_tuned_model_goes_with_the_model_it_came_from(services, visitor):
    services = replace(services, jobs=Finished(services.encoder_of(visitor.session)))
    FINE_TUNING.find(services, visitor)
    assert visitor.session.fine_tuned is services.jobs.result
    choose(services, visitor, "wider", "")
    assert services.jobs.forgotten == [visitor.key]
    assert visitor.session.fine_tuned is None


def test_a_reloaded_page_does_not_get_the_run_of_another_model(services, visitor):
    services = replace(services, jobs=Finished(SimpleNamespace(name="wider")))
    FINE_TUNING.find(services, visitor)
    assert visitor.session.fine_tuned is None


def test_a_page_that_is_reloaded_with_its_model_finds_the_run(services):
    visitor = Visitor()
    choose(services, visitor, "wider", "")
    erasure = Erasure("cliperase", select("cat", vocabulary=services.vocabulary), CLIPEraseSettings(), {})
    tuned, key = FineTuned(services.encoder_of(visitor.session), erasure), visitor.job_keys["cliperase"]

    def run():
        yield Progress()
        return tuned

    services.jobs.start(key, run)
    ended(services.jobs, key)
    reloaded = Visitor()
    reloaded.take_key(visitor.key)
    follow(services, reloaded, Link(model="wider"))
    assert reloaded.session.fine_tuned is tuned
    assert choose(services, reloaded, "", "").fine_tuned is None
    assert services.jobs.find(key) is None, "another model ends it"
