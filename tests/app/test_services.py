"""What the views show follows from the session, on the fake model and, where meaning counts, on the embedded one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.fakes import NAMES, drawing
from PIL import Image

from unlearn.app.asked import ErasureRequest
from unlearn.app.runs import trade_offs
from unlearn.app.searches import find_images
from unlearn.app.services import CHART_LABELS, Services
from unlearn.app.session import Session, Visitor
from unlearn.app.sources import MAX_UPLOADS, STRIP_LENGTH, add_uploads, alone, thumbnails_for
from unlearn.app.startup import Lazy
from unlearn.clip.models import Models
from unlearn.data.gallery import bundled_gallery
from unlearn.erasers import ccup
from unlearn.erasers.settings import CCUPSettings
from unlearn.erasers.variants import CCUP, ORIGINAL
from unlearn.errors import ConceptError, ImageError
from unlearn.evaluation import zero_shot
from unlearn.progress import run_to_end


def erased(services: Services, *names: str, **options: object) -> Session:
    """A session with ``names`` erased, looking at the first of them."""
    session = Session(erasure=services.erase(Session(), ErasureRequest(names, **options)))
    image = alone(services.clearest_image(session, names[0])) if names[0] in NAMES else None
    return Session(erasure=session.erasure, image=image)


def test_without_an_erasure_there_is_only_the_original(services: Services):
    assert list(services.variants(Session())) == [ORIGINAL]
    assert services.summary(Session()).at_risk == ()


def test_erasing_takes_the_concept_and_leaves_the_others(services: Services):
    session = erased(services, "cat")
    accuracy = services.accuracy(session)
    assert (accuracy[ORIGINAL].forget.top1, accuracy[CCUP].forget.top1) == (1.0, 0.0)
    assert accuracy[CCUP].retain.top1 == 1.0
    assert accuracy[CCUP].retain.n == 2 * (len(NAMES) - 1)


def test_strength_zero_changes_no_number(services: Services):
    session = erased(services, "cat", strength=0.0)
    assert services.accuracy(session)[CCUP] == services.accuracy(session)[ORIGINAL]
    view = services.zero_shot(session).probabilities
    assert view[CCUP] == pytest.approx(view[ORIGINAL], abs=1e-6)  # brought to unit length once more


def test_a_move_of_the_strength_solves_nothing_and_measures_the_original_no_more(services: Services, monkeypatch):
    before = erased(services, "fox", "tulip")
    services.accuracy(before)
    fresh = ccup.erase(
        services.models.own, before.erasure.selection, CCUPSettings(strength=0.4), vocabulary=services.vocabulary
    )
    monkeypatch.setattr(ccup, "erase", lambda *a, **k: pytest.fail("solved again"))
    measured, ranks = [], zero_shot.true_label_ranks
    monkeypatch.setattr(zero_shot, "true_label_ranks", lambda *given: measured.append(1) or ranks(*given))
    moved = replace(before, erasure=services.erase(before, ErasureRequest(["fox", "tulip"], strength=0.4)))
    assert torch.equal(moved.erasure.projection.matrix, fresh.projection.matrix)
    assert (moved.erasure.settings, moved.erasure.selection) == (fresh.settings, before.erasure.selection)
    services.accuracy(moved)
    assert len(measured) == 1, "the edited model's"


def test_what_only_the_app_can_show_is_said(services: Services):
    reported = services.summary(erased(services, "cat", form="nullspace", side="text")).notices
    assert ["next to nothing of the text “cat”, “kitten”" in notice for notice in reported] == [True]
    assert services.summary(erased(services, "cat", form="nullspace", side="text", strength=0.5)).notices == ()
    assert services.summary(erased(services, "cat")).notices == ()


def test_the_chart_shows_leaders_and_erased_labels_of_all_that_compete(services: Services):
    view = services.zero_shot(erased(services, "dog", "guitar"))
    assert len(view.labels) == len(NAMES)
    assert list(view.probabilities[ORIGINAL]) == list(view.probabilities[CCUP])
    assert len(view.probabilities[ORIGINAL]) == CHART_LABELS
    assert next(iter(view.probabilities[ORIGINAL])) == "dog"
    assert "guitar" in view.probabilities[ORIGINAL]


def test_named_labels_compete_among_themselves(services: Services):
    view = services.zero_shot(erased(services, "cat"), ["cat", "dog", "cat "])
    assert len(view.labels) == 2
    assert sum(view.probabilities[CCUP].values()) == pytest.approx(1)


def test_neighbours_are_the_nearest_and_none_is_erased(services: Services):
    near = services.at_risk(erased(services, "cat", "dog"))
    assert not {neighbour.name for neighbour in near} & {"cat", "dog"}
    assert [n.similarity for n in near] == sorted((n.similarity for n in near), reverse=True)


def test_the_retain_set_follows_the_choice(services: Services):
    assert len(erased(services, "cat").erasure.selection.retain) == len(NAMES) - 1
    own = erased(services, "cat", retain="list", own_retain=["dog", "my mug"])
    assert own.erasure.selection.retain == ("dog", "my mug")
    near = erased(services, "cat", retain="neighbours").erasure.selection.retain
    assert "cat" not in near
    assert near[0] == services.at_risk(erased(services, "cat"))[0].name


def test_a_visitors_collection_is_measured_with_its_own_words(services: Services, tmp_path: Path):
    drawing("pizza").save(tmp_path / "mug.png")
    uploads = add_uploads(None, [str(tmp_path / "mug.png")], " my  mug ")
    session = Session(uploads=uploads, measured_on="own")
    assert services.vocabulary_of(session).names == (*NAMES, "my mug")
    erasure = services.erase(session, ErasureRequest(["my mug"]))
    assert erasure.selection.notices == ()
    assert services.accuracy(replace(session, erasure=erasure))[ORIGINAL].forget.n == 1
    assert services.collection(Session(uploads=uploads, measured_on="gallery")) is services.gallery


@pytest.mark.parametrize("noise", [(0, 1, 255), (0, 255)])
def test_a_collection_of_ones_own_stays_under_ten_megabytes(tmp_path: Path, noise: tuple[int, ...]):
    pixels = np.random.default_rng(0).choice(noise, (900, 700, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noise.png")
    (image,) = add_uploads(None, [str(tmp_path / "noise.png")], "noise")
    (kept,) = image.load.args
    assert MAX_UPLOADS * len(kept) < 10_300_000
    assert image.load().size == (398, 512)


def test_uploads_that_can_be_read_are_added_and_the_others_named(tmp_path: Path):
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    drawing("cat", 900).save(good)
    bad.write_text("no picture")
    uploads = add_uploads(None, [str(good)], "cat")
    assert max(uploads.images[0].load().size) <= 512
    with pytest.raises(ImageError, match="not a picture"):
        add_uploads(None, [str(bad)], "cat")
    both = add_uploads(uploads, [str(good), str(bad)], "cat")
    assert len(both) == 2
    assert any("bad.png" in notice for notice in both.notices)
    with pytest.raises(ConceptError, match="Say what the pictures show"):
        add_uploads(uploads, [str(good)], "  ")
    with pytest.raises(ImageError, match="choose at least one"):
        add_uploads(uploads, [], "cat")
    with pytest.raises(ImageError, match="too many"):
        add_uploads(uploads, [str(good)] * MAX_UPLOADS, "cat")
    assert len(uploads) == 1


def test_the_strip_starts_with_what_was_asked_for(services: Services):
    strip = thumbnails_for(services.gallery, ["guitar", "cat"])
    assert [image.concept for _, image in strip[:4]] == ["guitar", "guitar", "cat", "cat"]
    assert len(strip) == STRIP_LENGTH
    assert all(services.gallery.images[index] is image for index, image in strip)
    assert strip == thumbnails_for(services.gallery, ["guitar", "cat"])


def test_a_query_is_put_into_the_sentences_of_the_words_in_use(services: Services):
    words = replace(services.vocabulary, templates=("a pizza",))
    found = find_images(services, Session(vocabulary=words), "cat")[ORIGINAL].images
    assert [answer.image.concept for answer in found[:2]] == ["pizza", "pizza"]


def test_curves_are_kept_while_only_the_strength_moves(services: Services):
    session = erased(services, "cat")
    heard: list[tuple[int, int]] = []
    curves = run_to_end(trade_offs.measure(services, session), lambda part: heard.append((part.done, part.total)))
    assert heard == [(i, len(heard)) for i in range(1, len(heard) + 1)]
    weaker = Session(erasure=session.erasure.at(0.3), trade_off=curves)
    assert run_to_end(trade_offs.measure(services, weaker)) is curves
    assert curves.interference.names[0] == "cat"
    own, others = curves.interference.probability[0, 0], curves.interference.probability[0, 1:]
    assert own < -0.3 < 5 * others.min()
    other = Session(erasure=erased(services, "dog").erasure, trade_off=curves)
    assert not trade_offs.holds(services, other)
    assert run_to_end(trade_offs.measure(services, other)) is not curves


def test_what_the_curves_were_not_asked_for_is_said(services: Services):
    def said(request: ErasureRequest) -> str:
        return " ".join(trade_offs.remarks(services, Session(erasure=services.erase(Session(), request))))

    assert said(ErasureRequest(["cat"])) == said(ErasureRequest(["cat"], side="text")) == ""
    assert "The paired form edits one side only" in said(ErasureRequest(["cat"], form="nullspace", side="both"))
    assert "the rest of the vocabulary is protected" in said(ErasureRequest(["cat"], retain="list", own_retain=["dog"]))


def test_curves_are_of_what_the_visitor_retains(services: Services):
    session = erased(services, "cat", "dog", retain="list", own_retain=["wolf", "pizza"])
    curves = run_to_end(trade_offs.measure(services, session))
    own = next(p for p in curves.by_count if p.num_erased == 2 and p.form == session.erasure.settings.form)
    assert own == next(p for p in curves.by_strength if p.strength == 1.0 and p.form == own.form)
    accuracy = services.accuracy(session)[CCUP]
    assert (own.forget, own.retain) == (accuracy.forget.top1, accuracy.retain.top1)


def test_geometry_shows_erased_images_leaving_their_text(services: Services):
    geometry = trade_offs.geometry(services, erased(services, "cat"))
    assert geometry.names[0] == "cat"
    moved = geometry.similarity[ORIGINAL].diagonal() - geometry.similarity[CCUP].diagonal()
    assert moved[0] > 0.3 > 3 * moved[1:].abs().max()
    assert geometry.similarity[ORIGINAL].shape == (len(geometry.names),) * 2
    assert geometry.largest <= 1.0


@pytest.mark.parametrize("query", ["", "  ", "x" * 301])
def test_a_query_that_cannot_be_used_is_refused(services: Services, query: str):
    with pytest.raises(ConceptError, match="query"):
        find_images(services, Session(), query)


def test_events_of_one_page_do_not_undo_each_other():
    visitor = Visitor()
    visitor.change(measured_on="own")
    before = visitor.session
    visitor.change(erasure="an erasure")
    assert (visitor.session.erasure, visitor.session.measured_on) == ("an erasure", "own")
    assert before.erasure is None


def test_services_are_loaded_once_and_a_failure_leaves_it_to_the_next():
    attempts: list[int] = []

    def load() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise ImageError("the folder is empty")
        return "services"

    lazily = Lazy(load)
    with pytest.raises(ImageError):
        lazily()
    assert lazily() == lazily() == "services"
    assert len(attempts) == 2


@pytest.fixture(scope="module")
def real(pocket, vocabulary) -> Services:
    return Services(Models(pocket), bundled_gallery().test, vocabulary)


def test_on_the_embedded_model_a_cat_is_a_cat_until_it_is_erased(real: Services):
    session = Session(
        erasure=real.erase(Session(), ErasureRequest(["cat"])), image=alone(real.clearest_image(Session(), "cat"))
    )
    view = real.zero_shot(session).probabilities
    assert max(view[ORIGINAL], key=view[ORIGINAL].__getitem__) == "cat"
    assert max(view[CCUP], key=view[CCUP].__getitem__) != "cat"
    accuracy = real.accuracy(session)
    assert accuracy[CCUP].forget.top1 == 0.0
    assert accuracy[CCUP].retain.top1 > accuracy[ORIGINAL].retain.top1 - 0.02
    found = {variant: answer.images for variant, answer in find_images(real, session, "a cat").items()}
    assert found[ORIGINAL][0].image.concept == "cat"
    assert found[CCUP][0].score < found[ORIGINAL][0].score / 2


@pytest.mark.parametrize(
    ("options", "said"), [({"lam": 0.01}, True), ({}, False), ({"lam": 0.01, "strength": 0.5}, False)]
)
def test_what_stays_above_chance_at_full_strength_is_said(services: Services, options, said):
    notices = services.summary(erased(services, "cat", **options)).notices
    assert any("Not erased as far as chance: 2 of 2 pictures" in notice for notice in notices) is said


def test_the_words_that_a_short_list_was_filled_up_with_are_told_of(services: Services):
    session = erased(services, "cat", retain="list", own_retain=["dog"])
    assert any("Besides 1 retained word the edit" in notice for notice in services.summary(session).notices)
    assert "wolf" in session.erasure.selection.surroundings
