"""A visitor's own pictures: CLIPErase learns from some, and from then on the views measure on the others."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.waiting import ended
from PIL import Image

from unlearn.app.asked import ErasureRequest, FineTuneRequest
from unlearn.app.examples import called
from unlearn.app.exports import make_export
from unlearn.app.imports import open_edit
from unlearn.app.results import Called
from unlearn.app.runs.fine_tuning import FINE_TUNING, take_off
from unlearn.app.services import Services
from unlearn.app.session import Visitor
from unlearn.app.sources import add_uploads
from unlearn.clip.models import Models
from unlearn.data.gallery import Gallery
from unlearn.erasers import cliperase
from unlearn.errors import ImageError
from unlearn.ui.html import markup


@pytest.fixture(scope="module")
def services(toy, toy_gallery, toy_vocabulary):
    return Services(Models(toy), toy_gallery.test, toy_vocabulary, training=toy_gallery.train)


@pytest.fixture
def mugs(tmp_path: Path) -> list[str]:
    """Files of ten different pictures."""
    paths = [tmp_path / f"{number}.png" for number in range(10)]
    for number, path in enumerate(paths):
        Image.new("RGB", (32, 32), (20 * number, 90, 160)).save(path)
    return [str(path) for path in paths]


@pytest.fixture
def learned_from(monkeypatch) -> list[Gallery]:
    """The galleries that CLIPErase was given to train on."""
    given: list[Gallery] = []
    train = cliperase.train

    def watched(*arguments, galleries, **named):
        given.extend(galleries)
        return train(*arguments, galleries=galleries, **named)

    monkeypatch.setattr(cliperase, "train", watched)
    return given


def fine_tune(services: Services, visitor: Visitor, *forget: str) -> None:
    FINE_TUNING.start(services, visitor, FineTuneRequest(forget, steps=2))
    last = ended(services.jobs, visitor.key)
    assert last.state == "done", last.message
    FINE_TUNING.find(services, visitor)


def test_what_was_trained_on_is_no_longer_measured(services: Services, mugs, learned_from):
    visitor = Visitor()
    uploads = add_uploads(None, mugs, "my mug")
    visitor.change(uploads=uploads, measured_on="own")
    assert services.collection(visitor.session) is uploads
    fine_tune(services, visitor, "my mug")
    measured = services.collection(visitor.session)
    assert measured is uploads.test, "the same object, or all would be encoded once more"
    assert len(measured) == 2
    assert learned_from == [services.training, uploads.train]
    assert not {id(image) for gallery in learned_from for image in gallery} & set(map(id, measured))
    assert services.accuracy(visitor.session)["CLIPErase"].forget.n == 2
    assert "Measured on 2 of your 10 pictures" in services.summary(visitor.session).notices[0]
    assert "my mug" in services.vocabulary_of(visitor.session).names
    take_off(services, visitor)
    assert services.collection(visitor.session) is uploads
    assert services.summary(visitor.session).notices == ()


def test_a_image_keeps_its_split_when_others_join(mugs):
    first = add_uploads(None, mugs[:6], "my mug")
    joined = add_uploads(add_uploads(first, mugs[6:8], "my pen"), mugs[8:], "my mug")
    splits = {image.source: image.split for image in joined}
    assert {image.source: image.split for image in first}.items() <= splits.items()
    assert len(joined.test) == 1


def test_what_cannot_be_read_is_left_out_and_said(mugs, tmp_path: Path):
    empty = tmp_path / "empty.png"
    empty.touch()
    uploads = add_uploads(None, [*mugs[:2], str(empty)], "my mug")
    assert len(uploads) == 2
    assert uploads.notices[0] == "1 of 3 were left out."
    assert "“empty.png” is empty" in uploads.notices[1]
    with pytest.raises(ImageError, match="is empty"):
        add_uploads(uploads, [str(empty)], "my mug")


def test_without_a_image_to_spare_the_apps_are_measured(services: Services, mugs):
    visitor = Visitor()
    visitor.change(uploads=add_uploads(None, mugs[:3], "my mug"), measured_on="own")
    fine_tune(services, visitor, "my mug")
    assert services.collection(visitor.session) is services.gallery
    assert "fewer than five of a thing" in services.summary(visitor.session).notices[0]
    assert "my mug" in services.vocabulary_of(visitor.session).names, "what is erased is still a word"


def test_images_that_came_after_the_run_are_all_measured(services: Services, mugs):
    visitor = Visitor()
    fine_tune(services, visitor, "apple")
    visitor.change(uploads=add_uploads(None, mugs, "my mug"), measured_on="own")
    assert services.collection(visitor.session) is visitor.session.uploads


def test_an_edit_out_of_a_file_may_have_learned_from_them(services: Services, mugs, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    visitor = Visitor()
    visitor.change(uploads=add_uploads(None, mugs, "my mug"), measured_on="own")
    fine_tune(services, visitor, "my mug")
    made = make_export(services, visitor, "edit")
    take_off(services, visitor)
    open_edit(services, visitor, str(made.path))
    ended(services.jobs, visitor.job_keys["cliperase"])
    FINE_TUNING.find(services, visitor)
    assert services.collection(visitor.session) is visitor.session.uploads.test


def test_ccup_learns_from_none(services: Services, mugs):
    visitor = Visitor()
    visitor.change(uploads=add_uploads(None, mugs, "my mug"), measured_on="own")
    visitor.change(erasure=services.erase(visitor.session, ErasureRequest(["my mug"])))
    assert services.collection(visitor.session) is visitor.session.uploads


def test_own_pictures_are_measured_with_the_gallery_unless_one_is_chosen(services: Services, mugs):
    visitor = Visitor()
    uploads = add_uploads(None, mugs, "my mug")
    session = visitor.change(uploads=uploads)
    together = services.collection(session)
    assert together.images == (*services.gallery.images, *uploads.images)
    assert services.collection(session) is together, "the same object, or all would be encoded once more"
    parts = [services.encoder_of(session).image_features(part) for part in (services.gallery, uploads)]
    assert torch.equal(services.encoder_of(session).image_features(together), torch.cat(parts))
    assert services.collection(visitor.change(measured_on="own")) is uploads
    assert services.collection(visitor.change(measured_on="gallery")) is services.gallery


def test_what_the_model_calls_own_pictures_is_said_before_they_are_erased(services: Services, mugs):
    visitor = Visitor()
    assert called(services, visitor.session) is None
    uploads = add_uploads(None, mugs, "my mug")
    found = called(services, visitor.change(uploads=uploads))
    assert found
    assert found.concept == "my mug"
    assert 0 <= found.named <= found.n == len(mugs)
    nothing = markup.own_images(uploads, Called("my mug", 0, 10, ("bucket", "vase")))
    assert "nothing to lose" in nothing
    assert 'data-erase="bucket"' in nothing
    assert nothing.count("<img") == 10
    assert "to lose" not in markup.own_images(uploads, Called("my mug", 9, 10, ("bucket",)))


def test_a_reloaded_page_finds_the_pictures_of_the_visit(mugs):
    first, second, other = Visitor(), Visitor(), Visitor()
    first.change(uploads=add_uploads(None, mugs[:2], "my mug"), measured_on="own")
    second.take_key(first.key)
    other.take_key("0" * 32)
    assert second.session.uploads is first.session.uploads
    assert second.session.measured_on == "own"
    assert other.session.uploads is None
