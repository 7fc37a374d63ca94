"""Drawing through the services: carried, drawn, judged, stopped, and found again by a page that is reloaded."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest
from diffusers import DiffusionPipeline
from helpers.waiting import ended

from unlearn import zero_gpu
from unlearn.app.asked import DrawRequest, ErasureRequest
from unlearn.app.edits import FineTuned
from unlearn.app.exports import last_drawn
from unlearn.app.runs import drawings
from unlearn.app.runs.drawings import DRAWING, Drawn, Rates
from unlearn.app.services import Services
from unlearn.app.session import Visitor
from unlearn.clip.models import Models
from unlearn.concepts.selection import select
from unlearn.data.gallery import bundled_gallery
from unlearn.diffusion.pipelines import PIPELINES
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import CLIPEraseSettings
from unlearn.errors import ConceptError, JobError, ModelError, ParameterError
from unlearn.progress import State
from unlearn.ui.background import status_html
from unlearn.ui.html import drawings as pages
from unlearn.ui.html.templates import fill

QUICK = DrawRequest("a cat and a pizza", steps=3, count=2)


@pytest.fixture(scope="module")
def services(pocket, vocabulary):
    return Services(Models(pocket), bundled_gallery().test, vocabulary)


@pytest.fixture
def visitor(services: Services) -> Visitor:
    """Somebody who has erased cats."""
    visitor = Visitor()
    visitor.change(erasure=services.erase(visitor.session, ErasureRequest(["cat"])))
    return visitor


def finish(services: Services, visitor: Visitor):
    return ended(services.jobs, visitor.job_keys["drawing"])


@pytest.mark.slow
def test_a_drawing_is_judged_and_found_again(services: Services, visitor: Visitor):
    DRAWING.start(services, visitor, QUICK)
    status = finish(services, visitor)
    assert status.state is State.DONE, status.message
    drawn = status.result
    assert isinstance(drawn, Drawn)
    assert len(drawn.pair.before) == len(drawn.pair.after) == 2
    assert drawn.erased == ("cat",)
    assert [sight.concept for sight in drawn.detections[0]] == ["cat", "pizza"]
    reloaded = Visitor()
    reloaded.key = visitor.key
    assert DRAWING.find(services, reloaded).result is drawn
    page = pages.drawn(drawn)
    assert page.count("<img") == 4
    assert "seed 1" in page


def test_the_report_shows_images_of_the_edit_in_force_alone(services: Services, visitor: Visitor):
    DRAWING.start(services, visitor, replace(QUICK, count=1, steps=1))
    drawn = finish(services, visitor).result
    pair = last_drawn(services, visitor)
    assert (pair.before, pair.after) == (drawn.pair.before, drawn.pair.after)
    session = visitor.session
    for weaker in (ErasureRequest(["cat"], strength=0.2), ErasureRequest(["cat"], form="nullspace")):
        visitor.change(erasure=services.erase(session, weaker))
        assert visitor.session.erased == drawn.erased
        assert last_drawn(services, visitor) is None, "another edit of the same concept"
    visitor.change(erasure=services.erase(session, ErasureRequest(["cat"])))
    assert last_drawn(services, visitor) is not None, "asked for again, the edit is the same"
    visitor.change(model="another")
    assert last_drawn(services, visitor) is None


def test_one_edit_of_two_is_drawn_as_that_one(services: Services, visitor: Visitor, pocket):
    erasure = Erasure("cliperase", select("pizza", vocabulary=services.vocabulary), CLIPEraseSettings(), {})
    visitor.change(fine_tuned=FineTuned(pocket, erasure))
    DRAWING.start(services, visitor, replace(QUICK, count=1, steps=1, edit="CCUP"))
    drawn = finish(services, visitor).result
    assert drawn.erased == ("cat",)
    assert last_drawn(services, visitor) is None, "the report tells of both edits"
    visitor.change(fine_tuned=None)
    assert last_drawn(services, visitor) is not None
    with pytest.raises(ConceptError, match="Nothing is erased yet"):
        DRAWING.start(services, visitor, replace(QUICK, edit="CLIPErase"))
    with pytest.raises(ParameterError, match="choose one of"):
        DRAWING.start(services, visitor, replace(QUICK, edit="both"))


def test_a_batch_is_judged(services: Services, visitor: Visitor, monkeypatch):
    monkeypatch.setattr(drawings, "JUDGED", 4)
    DRAWING.start(services, visitor, replace(QUICK, judge=True, steps=2))
    status = finish(services, visitor)
    rates = status.result
    assert isinstance(rates, Rates), status.message
    assert {rate.n for rate in (rates.erased, rates.others, rates.beside)} == {4}
    assert [(p.done, p.total) for p in status.progress][-1] == (4, 4)
    assert "What is erased" in fill("rates", rates=rates)


def test_what_draws_gets_the_gpu_of_a_space(services: Services, visitor: Visitor, monkeypatch):
    lent = []

    def forked(number):
        """What the process with the GPU does, but for the GPU: all that leaves it is pickled."""
        run = zero_gpu._runs[number]
        lent.append(run.modules)
        working = run.start()
        try:
            while True:
                yield pickle.loads(pickle.dumps(next(working)))  # noqa: S301
        except StopIteration as stop:
            yield zero_gpu._Returned(pickle.loads(pickle.dumps(stop.value)))  # noqa: S301

    monkeypatch.setattr(zero_gpu, "ACTIVE", True)
    monkeypatch.setattr(zero_gpu, "_remote", forked)
    monkeypatch.setattr(drawings, "JUDGED", 2)
    for asked in (replace(QUICK, count=1, steps=1), replace(QUICK, judge=True, steps=1)):
        DRAWING.start(services, visitor, asked)
        status = finish(services, visitor)
        assert status.state is State.DONE, status.message
    assert all(isinstance(module, DiffusionPipeline) for modules in lent for module in modules)
    assert [len(modules) for modules in lent] == [2, 2], "the pipeline before and after"


def test_it_stops_within_a_step_and_a_second_start_waits_its_turn(services: Services, visitor: Visitor):
    DRAWING.start(services, visitor, replace(QUICK, steps=150, count=4))
    with pytest.raises(JobError, match="still"):
        DRAWING.start(services, visitor, QUICK)
    DRAWING.cancel(services, visitor)
    status = finish(services, visitor)
    assert status.state is State.CANCELLED
    assert len(status.progress) < 150
    assert "Stopped" in status_html(status, stopped=DRAWING.stopped)


def test_without_an_erasure_or_with_a_bad_number_nothing_is_started(services: Services, visitor: Visitor):
    with pytest.raises(ConceptError, match="Nothing is erased yet"):
        DRAWING.start(services, Visitor(), QUICK)
    for changes in ({"seed": -1}, {"seed": 2**64}, {"steps": 0}, {"guidance": float("nan")}, {"pipeline": "dall-e"}):
        with pytest.raises(ParameterError):
            DRAWING.start(services, visitor, replace(QUICK, **changes))
    with pytest.raises(ConceptError, match="prompt is empty"):
        DRAWING.start(services, visitor, replace(QUICK, prompt=" "))
    assert DRAWING.find(services, visitor) is None


def test_a_concept_that_is_not_drawn_is_said(services: Services):
    visitor = Visitor()
    visitor.change(erasure=services.erase(visitor.session, ErasureRequest(["platypus"])))
    DRAWING.start(services, visitor, replace(QUICK, count=1, steps=1))
    drawn = finish(services, visitor).result
    assert "“platypus” is not one of them" in drawn.notices[0]
    DRAWING.start(services, visitor, replace(QUICK, judge=True))
    status = finish(services, visitor)
    assert status.state is State.FAILED
    assert "nothing to judge" in status.message
    everything = PIPELINES["pocket"].draws
    visitor.change(erasure=services.erase(visitor.session, ErasureRequest(everything)))
    DRAWING.start(services, visitor, replace(QUICK, judge=True))
    assert "nothing else to judge" in finish(services, visitor).message


def test_an_unreachable_hub_is_a_sentence_and_the_next_drawing_works(services: Services, visitor: Visitor, monkeypatch):
    from diffusers import DiffusionPipeline

    def unreachable(*_, **__):
        raise OSError("the hub cannot be reached")

    with monkeypatch.context() as patch:
        patch.setattr(DiffusionPipeline, "from_pretrained", unreachable)
        DRAWING.start(services, visitor, replace(QUICK, pipeline="sd-turbo"))
        status = finish(services, visitor)
    assert status.state is State.FAILED
    assert "“pocket” needs no download and stays usable" in status.message
    DRAWING.start(services, visitor, replace(QUICK, count=1, steps=1))
    assert finish(services, visitor).state is State.DONE


def test_a_run_that_trained_only_projections_draws_the_same_and_says_why(services: Services, pocket, vocabulary):
    visitor = Visitor()
    projection = {"text_projection": pocket.model.state_dict()["text_projection"] * 1.01}
    selection = services.erase(visitor.session, ErasureRequest(["cat"])).selection
    erasure = Erasure("cliperase", selection, CLIPEraseSettings(), projection)
    visitor.change(fine_tuned=FineTuned(pocket, erasure))
    DRAWING.start(services, visitor, replace(QUICK, count=1, steps=1))
    drawn = finish(services, visitor).result
    assert drawn.pair.before[0].tobytes() == drawn.pair.after[0].tobytes()
    assert "fine-tune the text tower" in drawn.notices[0]


def test_a_model_that_drives_nothing_is_refused(visitor: Visitor):
    from helpers.fakes import fake_services

    fake = fake_services()
    somebody = Visitor()
    somebody.change(erasure=fake.erase(somebody.session, ErasureRequest(["cat"])))
    with pytest.raises(ModelError, match="drives no diffusion pipeline"):
        DRAWING.start(fake, somebody, QUICK)
