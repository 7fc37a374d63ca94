"""Concepts to try are those that the model knows; words that it does not know are not measured by noise."""

from __future__ import annotations

from pathlib import Path

from unlearn.app import examples
from unlearn.app.asked import ErasureRequest
from unlearn.app.examples import HARDLY, HEADLINES, NAMED
from unlearn.app.requests import erase, replaced
from unlearn.app.session import Session, Visitor
from unlearn.concepts.selection import load_vocabulary
from unlearn.data.gallery import bundled_gallery
from unlearn.diffusion.pipelines import PIPELINES
from unlearn.ui.html import markup


def test_every_headline_is_known_to_the_embedded_model_and_drawn_by_its_pipeline(pocket, gallery, vocabulary):
    measured = examples.named(pocket, gallery, vocabulary)
    assert {name: measured[name].top1 for name in HEADLINES if measured[name].top1 < NAMED} == {}
    listed = PIPELINES["pocket"].source
    drawn = (Path(listed) / "concepts.json").read_text(encoding="utf-8")
    assert [name for name in HEADLINES if f'"{name}"' not in drawn] == []


def test_the_page_opens_with_the_first_headline_that_the_model_knows(services):
    known = examples.well_known(services, Session())
    assert known[:3] == [name for name in HEADLINES if name in services.gallery.concepts][:3]
    assert examples.opening(services, Session()) == known[0]


def test_a_concept_that_the_model_hardly_knows_is_said_with_others_to_try(services):
    visitor = Visitor()
    session = erase(services, visitor, ErasureRequest(["dog", "cat"]))
    assert examples.hardly_known(services, session) == []
    summary = services.summary(session)
    shown = markup.summary(summary, session.erased, ["cat"], ["dog", "train", "bus"])
    assert "hardly knows “cat”" in shown
    assert 'data-erase="train" data-instead="cat"' in shown
    assert 'data-erase="dog"' not in shown, "it is erased already"
    assert "hardly knows" not in markup.summary(summary, session.erased, [], ["train"])


def test_of_an_unknown_word_nothing_is_said_to_be_at_risk(services):
    visitor = Visitor()
    session = erase(services, visitor, ErasureRequest(["gitar", "zorb <b>"]))
    summary = services.summary(session)
    assert summary.at_risk == ()
    assert [(unknown.word, unknown.meant) for unknown in summary.unknown] == [("gitar", ("guitar",)), ("zorb <b>", ())]
    assert not [notice for notice in summary.notices if "not in the vocabulary" in notice], "said once, with a button"
    shown = markup.summary(summary, session.erased, [], ["dog"])
    assert 'data-erase="guitar" data-instead="gitar"' in shown
    assert "effect cannot be measured" in shown
    assert "<b>" not in shown.split("zorb")[1][:8]


def test_a_click_erases_keeps_or_replaces_by_what_words_mean():
    words = load_vocabulary()
    assert replaced(words, ["pizza"], "dog", []) == ["pizza", "dog"]
    assert replaced(words, ["dgo", "pizza"], "dog", ["dgo"]) == ["pizza", "dog"]
    assert replaced(words, ["Hund", "pizza"], "", ["dog"]) == ["pizza"]
    assert replaced(words, ["Hund"], "dog", ["", "x"]) == ["dog"]


def test_hardly_and_well_known_do_not_overlap():
    assert HARDLY < NAMED
    assert set(HEADLINES) <= set(bundled_gallery().test.concepts)
