"""Everything that is measured of an edit, against loops that count by hand."""

from __future__ import annotations

import math

import pytest
import torch

from unlearn.concepts.prompts import TEMPLATES
from unlearn.concepts.selection import Vocabulary, select
from unlearn.erasers import ccup
from unlearn.erasers.settings import CCUPSettings
from unlearn.evaluation.geometry import measure_interference
from unlearn.evaluation.quality import evaluate_edit, harmonic_mean
from unlearn.progress import run_to_end


def without(name, toy, vocabulary):
    selection, settings = select(name, vocabulary=vocabulary), CCUPSettings(form="consistent")
    return ccup.erase(toy, selection, settings, vocabulary=vocabulary).apply(toy)


@pytest.fixture(scope="module")
def edited(toy, toy_vocabulary):
    return without("frog", toy, toy_vocabulary)


@pytest.fixture(scope="module")
def quality(toy, edited, toy_gallery, toy_vocabulary):
    return evaluate_edit(toy, edited, toy_gallery, forget=["FROG"], vocabulary=toy_vocabulary)


def test_every_number_equals_counting_by_hand(toy, edited, toy_gallery, toy_vocabulary, quality):
    names = toy_vocabulary.names
    for when, model in enumerate((toy, edited)):
        images, texts = model.image_features(toy_gallery), model.text_features(names, TEMPLATES)
        hits, cosines = {True: [], False: []}, {True: [], False: []}
        for image, row in zip(toy_gallery, images, strict=True):
            scores = [float(row @ text) for text in texts]
            own = names.index(image.concept)
            hits[image.concept == "frog"].append(scores.index(max(scores)) == own)
            cosines[image.concept == "frog"].append(scores[own])
        for part, is_erased in (("forget", True), ("retain", False)):
            accuracy, cosine = (found[part].means[when] for found in (quality.top1, quality.similarity))
            assert accuracy == pytest.approx(sum(hits[is_erased]) / len(hits[is_erased]))
            assert len(quality.top1[part].before) == len(hits[is_erased])
            assert cosine == pytest.approx(sum(cosines[is_erased]) / len(cosines[is_erased]), abs=1e-5)


def test_the_erased_falls_and_the_rest_stays(quality):
    assert quality.top1["forget"].means == (1.0, 0.0)
    assert quality.similarity["forget"].change().difference.high < 0
    before, after = quality.top1["retain"].means
    assert after == before
    assert quality.recall["image_to_text"]["forget"][1].means[1] < 0.2
    assert quality.recall["text_to_image"]["retain"][5].means[1] == 1.0
    before, after = quality.among_few.means
    assert after < before == 1.0
    assert quality.harmonic_mean > 0.9


@pytest.mark.parametrize(
    ("forget", "before", "after", "expected"),
    [(0.0, 0.8, 0.8, 1.0), (1.0, 0.8, 0.8, 0.0), (0.0, 0.8, 0.4, 2 / 3), (0.0, 0.8, 0.9, 1.0), (1.0, 0.8, 0.0, 0.0)],
)
def test_the_harmonic_mean_wants_both(forget, before, after, expected):
    assert harmonic_mean(forget, before, after) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("forget", "before", "after"), [(0.0, math.nan, math.nan), (math.nan, 0.8, 0.8), (0.0, 0.0, 0.0), (0.5, 0.0, 0.2)]
)
def test_the_harmonic_mean_of_what_was_not_measured_is_none(forget, before, after):
    assert math.isnan(harmonic_mean(forget, before, after))


def test_images_of_labels_that_are_not_offered_are_left_out(toy, edited, toy_gallery):
    quality = evaluate_edit(toy, edited, toy_gallery, forget=["frog"], vocabulary=Vocabulary.of(["frog", "apple"]))
    assert [len(quality.top1[part].before) for part in ("forget", "retain")] == [12, 12]


def test_interference_is_what_erasing_each_alone_does_to_each(toy, toy_gallery, toy_vocabulary):
    names = ("frog", "apple", "unicorn")

    def erase(name):
        return without(name, toy, toy_vocabulary)

    found = run_to_end(measure_interference(toy, erase, toy_gallery, names, toy_vocabulary))
    assert found.probability[:, 2].isnan().all(), "there are no pictures of unicorns"
    assert max(found.probability[0, 0], found.probability[1, 1]) < -0.5
    assert max(found.probability[0, 1].abs(), found.probability[1, 0].abs()) < 0.1
    frogs = toy_gallery.where(lambda image: image.concept == "frog")
    texts = toy.text_features(toy_vocabulary.names, TEMPLATES)
    own = toy_vocabulary.names.index("frog")
    seen = [
        (toy.logit_scale * m.image_features(frogs) @ texts.T).softmax(1)[:, own].mean() for m in (toy, erase("frog"))
    ]
    torch.testing.assert_close(found.probability[0, 0], seen[1] - seen[0], atol=1e-5, rtol=0)
