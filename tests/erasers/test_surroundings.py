"""The words that the paired form is fitted among where few are retained, and what is said of them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from unlearn.concepts.prompts import TEMPLATES
from unlearn.concepts.selection import Selection, Vocabulary, select, unite
from unlearn.data.gallery import Gallery, bundled_gallery
from unlearn.erasers import ccup, paired
from unlearn.erasers.settings import CCUPSettings
from unlearn.evaluation.neighbours import nearest_neighbours
from unlearn.evaluation.zero_shot import evaluate_zero_shot

PAIRED, CONSISTENT, NULLSPACE = (CCUPSettings(form=form) for form in ("paired", "consistent", "nullspace"))


def left(encoder, gallery: Gallery, erasure: ccup.Erasure, vocabulary: Vocabulary):
    """The report of what ``erasure`` leaves."""
    names = erasure.selection.forget_names
    return evaluate_zero_shot(erasure.apply(encoder), gallery, forget=names, vocabulary=vocabulary)


@pytest.mark.parametrize(
    "labels",
    ["cat dog", "cat car", "apple banana", "horse dog", "cat dog car", "apple pear lemon", "cat dog horse car pizza"],
)
def test_among_few_labels_the_concept_falls_to_chance(pocket, labels):
    words = Vocabulary.of(labels.split())
    erasure = ccup.erase(pocket, select(labels.split()[0], vocabulary=words), vocabulary=words)
    report = left(pocket, bundled_gallery().train, erasure, words)  # of which CCUP saw none
    assert report.forget.top1 <= 1 / len(words.names) + 0.5 / report.forget.n
    assert report.retain.top1 == 1.0


@pytest.mark.parametrize("retain", [["pear"], ["apple fruit", "pear", "banana"], ["pear", "banana", "lemon", "car"]])
def test_a_short_retain_list_neither_keeps_the_concept_nor_costs_the_others(pocket, gallery, vocabulary, retain):
    before = evaluate_zero_shot(pocket, gallery, forget=["apple"], vocabulary=vocabulary)
    erasure = ccup.erase(pocket, select("apple", retain, vocabulary=vocabulary), vocabulary=vocabulary)
    report = left(pocket, gallery, erasure, vocabulary)
    assert report.forget.top1 == 0.0
    assert report.retain.top1 > before.retain.top1 - 0.01


@pytest.mark.parametrize("forget", [["cat"], ["apple", "dog", "car"], ["narwhal"]])
def test_with_the_bundled_vocabulary_retained_nothing_is_added(pocket, vocabulary, forget):
    """The same bits as of the retain set alone, so what was measured of it stands."""
    selection = select(forget, vocabulary=vocabulary)
    erasure = ccup.erase(pocket, selection, vocabulary=vocabulary)
    assert erasure.selection.surroundings == ()
    texts = pocket.text_features(vocabulary.names, vocabulary.templates).T
    removed = [vocabulary.names.index(name) for name in forget if name in vocabulary.names]
    around = paired.RetainFactors.fit(texts, PAIRED.mu).without(removed)
    concepts = [ccup.forget_texts(pocket, concept, PAIRED, vocabulary.templates).T for concept in selection.forget]
    alone = paired.fit(concepts, around)
    assert torch.equal(erasure.projection.left, alone.left)
    assert torch.equal(erasure.projection.right, alone.right)


def test_what_was_taken_out_of_the_shared_factors_was_never_in(pocket, vocabulary):
    """The factors of all words less some give the edit that the words left would give by themselves."""
    words = Vocabulary.of(["kitty", "sofa", "apple"])
    selection = select("kitty", vocabulary=words)
    erasure = ccup.erase(pocket, selection, vocabulary=words)
    names = (*selection.retain, *erasure.selection.surroundings)
    weights = torch.tensor([1.0] * len(selection.retain) + [paired.CHOSEN.others] * len(erasure.selection.surroundings))
    texts = pocket.text_features(names, words.templates).T
    own = paired.fit(
        [ccup.forget_texts(pocket, selection.forget[0], PAIRED, words.templates).T],
        paired.RetainFactors.fit(texts, PAIRED.mu, weights=weights),
    )
    # The shared mean has the erased words in it too.
    torch.testing.assert_close(erasure.projection.matrix, own.matrix, atol=0.02, rtol=0)


def test_the_surroundings_are_the_labels_and_the_bundled_words_less_what_goes_by_the_erased_name(pocket, vocabulary):
    known = vocabulary.find(vocabulary.names[14])
    words = Vocabulary.of(["sofa", "quokka", known.synonyms[0]])
    around = ccup.erase(pocket, select(known.synonyms[0], ["sofa"], vocabulary=words), vocabulary=words)
    around = around.selection.surroundings
    assert "quokka" in around, "a label that is offered"
    assert set(vocabulary.names[28::14]) <= {*around, "sofa"}, "neutral words"
    assert known.name not in around, "the erased concept by another name"
    assert len(around) == len(set(around))


def test_near_duplicates_of_the_erased_are_no_surroundings(pocket, vocabulary):
    neutral = vocabulary.names[70]
    words = Vocabulary.of([f"a {neutral}", "car"])
    around = ccup.erase(pocket, select(words.names[0], vocabulary=words), vocabulary=words).selection.surroundings
    assert neutral not in around
    assert vocabulary.names[84] in around


@pytest.mark.parametrize("settings", [PAIRED, CONSISTENT])
def test_a_retained_name_that_nearly_coincides_with_an_erased_one_is_named(pocket, vocabulary, settings):
    selection = select("apple", ["apple fruit", "pear"], vocabulary=vocabulary)
    notices = ccup.erase(pocket, selection, settings, vocabulary=vocabulary).selection.notices
    assert re.match(r"“apple fruit” is retained and “apple” erased \(cosine 0\.9\d\)", notices[0])
    assert not any("pear" in notice for notice in notices)


def test_who_retains_little_hears_what_it_was_filled_up_with(pocket, vocabulary):
    words = Vocabulary.of(["cat", "dog"])
    (notice,) = ccup.erase(pocket, select("cat", vocabulary=words), vocabulary=words).selection.notices
    assert "Besides 1 retained word the edit" in notice
    assert "bundled vocabulary" in notice
    whole = ccup.erase(pocket, select("cat", vocabulary=vocabulary), vocabulary=vocabulary)
    assert whole.selection.notices == ()


@pytest.mark.parametrize("settings", [CONSISTENT, NULLSPACE])
def test_the_papers_forms_are_fitted_on_the_retain_set_alone(pocket, vocabulary, settings):
    words = Vocabulary.of(["cat", "dog"])
    among_others = ccup.erase(pocket, select("cat", vocabulary=words), vocabulary=words).selection
    erasure = ccup.erase(pocket, replace(among_others, notices=()), settings, vocabulary=words)
    assert erasure.selection.surroundings == ()
    assert erasure.selection.notices == ()


@pytest.mark.parametrize("concept", ["cat", "apple", "guitar"])
def test_what_is_retained_counts_for_more_than_what_fills_up(pocket, vocabulary, concept):
    """The scores of the retained with one another change far less than where all words weigh the same."""
    near = [neighbour.name for neighbour in nearest_neighbours(pocket, [concept], vocabulary, 10)]
    selection, texts = select(concept, near, vocabulary=vocabulary), pocket.text_features(near, TEMPLATES)
    changes = []
    for constants in (paired.CHOSEN, replace(paired.CHOSEN, others=1.0)):
        projection = ccup.erase(pocket, selection, vocabulary=vocabulary, constants=constants).projection
        changes.append(float(((projection.on_images(texts) - texts) @ texts.T).square().sum()))
    assert changes[0] < changes[1] / 10


def test_the_same_sets_are_the_same_selection_whatever_is_said_of_them():
    one = select("cat", ["dog"], vocabulary=Vocabulary.of(["cat", "dog"]))
    other = Selection(one.forget, one.retain, ("a notice",), ("car",))
    assert one == other
    assert hash(one) == hash(other)


def test_united_selections_keep_what_surrounds_them():
    words = Vocabulary.of(["cat", "dog", "car", "tree"])
    one = Selection(select("cat", ["dog"], vocabulary=words).forget, ("dog",), ("first",), ("car", "tree"))
    other = Selection(select("tree", ["car"], vocabulary=words).forget, ("car",), ("second", "first"), ("cat",))
    both = unite([one, other])
    assert (both.retain, both.surroundings, both.notices) == (("dog", "car"), (), ("first", "second"))
