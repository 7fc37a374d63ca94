"""CLIPErase on the embedded model through the services: started, watched, active, stacked, taken off, found again."""

from __future__ import annotations

import copy
from dataclasses import asdict

import gradio as gr
import pytest
import torch
from helpers.building import built
from helpers.fakes import few
from helpers.waiting import ended

from unlearn.app.asked import ErasureRequest, FineTuneRequest
from unlearn.app.edits import FineTuned
from unlearn.app.links import link_of, read_link, write_link
from unlearn.app.requests import erase, settings_of
from unlearn.app.runs.fine_tuning import FINE_TUNING, take_off
from unlearn.app.services import Services
from unlearn.app.session import Session, Visitor
from unlearn.clip.encoders import weights_checksum
from unlearn.clip.models import Models
from unlearn.concepts.selection import load_vocabulary, select
from unlearn.config import Settings
from unlearn.data.gallery import bundled_gallery
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import PRESETS, CLIPEraseSettings
from unlearn.errors import ConceptError, ImageError, JobError, ParameterError
from unlearn.finetuning.trainable import make_trainable
from unlearn.progress import State
from unlearn.ui.tabs.cliperase import CLIPEraseTab


@pytest.fixture(scope="module")
def services(pocket, vocabulary):
    bundled = bundled_gallery()
    return Services(Models(pocket), few(bundled.test), vocabulary, Settings(max_steps=5000), few(bundled.train))


def wait(services: Services, visitor: Visitor) -> State:
    ended(services.jobs, visitor.key)
    return FINE_TUNING.find(services, visitor).state


def test_a_run_comes_into_force_is_stacked_on_and_taken_off(services):
    before = weights_checksum(services.models.own.model)
    visitor = Visitor()
    FINE_TUNING.start(services, visitor, FineTuneRequest(["pizza"], steps=60))
    assert wait(services, visitor) is State.DONE
    visitor.change(erasure=services.erase(visitor.session, ErasureRequest(["dog"])))
    assert list(services.variants(visitor.session)) == ["Original", "CCUP", "CLIPErase", "CLIPErase + CCUP"]
    assert visitor.session.erased == ("dog", "pizza")
    accuracy = services.accuracy(visitor.session)
    assert accuracy["CLIPErase + CCUP"].forget.top1 < accuracy["Original"].forget.top1
    assert accuracy["CLIPErase + CCUP"].retain.top1 >= accuracy["Original"].retain.top1 - 0.2
    # A reloaded page is another visitor with the same key: it finds the run.
    reloaded = copy.deepcopy(visitor)
    assert reloaded is not visitor
    assert reloaded.key != visitor.key
    reloaded.key = visitor.key
    FINE_TUNING.find(services, reloaded)
    assert reloaded.session.fine_tuned is visitor.session.fine_tuned
    services.end_session(visitor)
    assert FINE_TUNING.find(services, reloaded) is not None, "the key is still in use"
    assert take_off(services, reloaded).fine_tuned is None
    assert FINE_TUNING.find(services, reloaded) is None
    assert weights_checksum(services.models.own.model) == before


def moved(encoder, what: str) -> Erasure[CLIPEraseSettings]:
    """What a run comes to, without the run."""
    delta = {name: weight * 1.05 for name, weight in make_trainable(encoder, what).delta().items()}
    return Erasure("cliperase", select("pizza", vocabulary=load_vocabulary()), CLIPEraseSettings.of(what), delta)


def test_the_slider_moves_both_edits_and_finds_what_it_left(services, pocket):
    visitor = Visitor()
    run = FineTuned(pocket, moved(pocket, "text"))
    visitor.change(fine_tuned=run)
    seen = {}
    for strength in (1.0, 0.5, 0.0, 0.5, 1.0):
        session = erase(services, visitor, ErasureRequest(["dog"], strength=strength))
        assert session.fine_tuned.erasure.settings.strength == strength
        assert session.fine_tuned.is_run_of(run)
        assert session.fine_tuned is seen.setdefault(strength, session.fine_tuned), "embedded once"
    assert seen[1.0] is run
    texts = ["a pizza", "a dog"]
    torch.testing.assert_close(seen[0.0].encoder.encode_text(texts), pocket.encode_text(texts), atol=1e-5, rtol=0)
    assert not torch.allclose(seen[0.5].encoder.encode_text(texts), run.encoder.encode_text(texts), atol=1e-4)
    gallery = services.gallery
    assert seen[0.5].encoder.image_features(gallery) is pocket.image_features(gallery), "images are not encoded again"


def test_the_slider_leaves_a_run_whose_images_would_be_encoded_again(services, pocket):
    visitor = Visitor()
    run = FineTuned(pocket, moved(pocket, "last_blocks"))
    visitor.change(fine_tuned=run)
    assert erase(services, visitor, ErasureRequest(["dog"], strength=0.5)).fine_tuned is run


def test_stop_leaves_what_was_in_force(services):
    visitor = Visitor()
    FINE_TUNING.start(services, visitor, FineTuneRequest(["cat"], steps=5000))
    with pytest.raises(JobError, match="still"):
        FINE_TUNING.start(services, visitor, FineTuneRequest(["dog"]))
    FINE_TUNING.cancel(services, visitor)
    FINE_TUNING.cancel(services, visitor)
    assert wait(services, visitor) is State.CANCELLED
    assert visitor.session.fine_tuned is None
    assert FINE_TUNING.cancel(services, Visitor()) is None


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        (FineTuneRequest([]), ConceptError, "No concept"),
        (FineTuneRequest(["unicycle"]), ImageError, "no picture"),
        (FineTuneRequest(["cat"], steps=0), ParameterError, "steps is 0"),
        (FineTuneRequest(["cat"], steps=5001), ParameterError, "steps is 5001; .* from 1 to 5,000"),
        (FineTuneRequest(["cat"], learning_rate=-1.0), ParameterError, "learning rate is -1"),
        (FineTuneRequest(["cat"], trainable="everything"), ParameterError, "choose one of"),
    ],
)
def test_a_bad_request_never_gets_in_line(services, asked, error, said):
    visitor = Visitor()
    with pytest.raises(error, match=said):
        FINE_TUNING.start(services, visitor, asked)
    assert FINE_TUNING.find(services, visitor) is None


def test_what_the_visitor_leaves_open_is_what_suits():
    most = Settings().max_steps
    assert settings_of(FineTuneRequest(), most) == CLIPEraseSettings()
    for trainable, preset in PRESETS.items():
        settings = asdict(settings_of(FineTuneRequest(trainable=trainable), most))
        assert {name: settings[name] for name in preset} == preset
    assert settings_of(FineTuneRequest(steps=7, trainable="all"), most).steps == 7
    assert settings_of(FineTuneRequest(), 50).steps == 50, "what is left open is never too much"


def test_a_number_that_was_not_touched_is_left_open(services):
    def build() -> CLIPEraseTab:
        with gr.Blocks():
            return CLIPEraseTab.build(lambda: services)

    tab = built(build)
    given = tab.values_for(FineTuneRequest(trainable="all"))
    for untouched in (given, given | {tab.steps: None, tab.learning_rate: None}):
        assert tab.asked(["cat"], untouched) == FineTuneRequest(["cat"], trainable="all")


def test_a_link_gives_the_request_that_was_made(services, pocket, vocabulary):
    selection = select("cat", vocabulary=vocabulary)
    for asked in (FineTuneRequest(trainable="last_blocks"), FineTuneRequest(steps=7, forgetting="gradient_ascent")):
        # Made where runs are shorter: the request left the number of steps open, and so does the link.
        run = FineTuned(pocket, Erasure("cliperase", selection, settings_of(asked, 50), {}), asked=asked)
        link = link_of(services, Session(fine_tuned=run))
        assert link.fine_tune == asked
        assert read_link(write_link(link).removeprefix("?")).fine_tune == asked


def test_a_link_gives_the_settings_of_a_model_from_a_file(services, pocket, vocabulary):
    settings = CLIPEraseSettings(steps=7, learning_rate=1e-5, trainable="all")
    run = FineTuned(pocket, Erasure("cliperase", select("cat", vocabulary=vocabulary), settings, {}))
    link = link_of(services, Session(fine_tuned=run))
    assert link.fine_tune == FineTuneRequest(("cat",), steps=7, learning_rate=1e-5, trainable="all")
    read = read_link(write_link(link).removeprefix("?"))
    assert (read.fine_tune.steps, read.fine_tune.learning_rate) == (7, 1e-5)
