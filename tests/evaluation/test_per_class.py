"""Results of each class agree with a count over single images, and the CSV holds them."""

from __future__ import annotations

import csv
from collections import Counter

import pytest

from unlearn.concepts.selection import select
from unlearn.erasers import ccup
from unlearn.erasers.settings import CCUPSettings
from unlearn.evaluation.per_class import ClassResult, ClassTable, per_class
from unlearn.evaluation.zero_shot import classify


@pytest.fixture(scope="module")
def edited(toy, toy_vocabulary):
    erasure = ccup.erase(toy, select(["frog"], vocabulary=toy_vocabulary), CCUPSettings(), vocabulary=toy_vocabulary)
    return erasure.apply(toy)


def test_classes_are_those_of_classifying_each_image(toy, toy_gallery, toy_vocabulary, edited):
    results = per_class({"before": toy, "after": edited}, toy_gallery, ["frog"], toy_vocabulary).results
    assert results[0].name == "frog"
    for result in results:
        images = [image.load() for image in toy_gallery if image.concept == result.name]
        first = [next(iter(classify(edited, image, toy_vocabulary.names))) for image in images]
        assert result.n == len(images)
        assert result.called == Counter(first)
        assert result.top1["after"] == pytest.approx(first.count(result.name) / result.n)
        assert list(result.called.values()) == sorted(result.called.values(), reverse=True)
    lost = [result.top1["before"] - result.top1["after"] for result in results[1:]]
    assert lost == sorted(lost, reverse=True)


def test_an_image_of_which_nothing_is_left_is_called_nothing(toy, toy_gallery, toy_vocabulary, edited, monkeypatch):
    features = edited.image_features(toy_gallery).clone()
    features[toy_gallery.targets(["frog"]) == 0] = 0
    monkeypatch.setattr(type(edited), "image_features", lambda self, gallery: features)
    results = per_class({"after": edited}, toy_gallery.where(lambda image: True), ["frog"], toy_vocabulary).results
    assert results[0].called == {}
    assert all(result.called for result in results[1:])


def test_a_table_is_read_back_and_runs_no_formula():
    table = ClassTable((ClassResult("=HYPERLINK(1)", 3, {"Original": 1.0, "CCUP": 1 / 3}, {"dog": 2, "a, b": 1}),))
    assert list(csv.reader(table.csv.splitlines())) == [
        ["class", "n", "top-1 Original", "top-1 CCUP", "called"],
        ["'=HYPERLINK(1)", "3", "1.0000", "0.3333", "dog 2, a, b 1"],
    ]
