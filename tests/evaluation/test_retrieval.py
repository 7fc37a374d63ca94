from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unlearn.concepts.prompts import TEMPLATES
from unlearn.concepts.selection import select
from unlearn.data.gallery import Gallery, GalleryImage
from unlearn.erasers import ccup
from unlearn.erasers.settings import CCUPSettings
from unlearn.evaluation.neighbours import nearest_neighbours
from unlearn.evaluation.retrieval import (
    KS,
    evaluate_retrieval,
    find_captions,
    find_images,
    rank,
    recall_at,
)


@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 20))
@settings(max_examples=30, deadline=None)
def test_recall_equals_sorting_by_hand(seed, queries, items):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(queries, items, generator=generator)
    relevant = torch.rand(queries, items, generator=generator) < 0.3
    recall = recall_at(scores, relevant)
    for k in KS:
        hits = 0
        for q in range(queries):
            best = sorted(range(items), key=lambda i, q=q: -float(scores[q, i]))[:k]
            hits += any(bool(relevant[q, i]) for i in best)
        assert recall.at[k] == pytest.approx(hits / queries)


def test_ties_do_not_help():
    assert recall_at(torch.zeros(1, 3), torch.tensor([[True, False, False]])).at[1] == 0.0


def test_rank_is_best_first_and_no_longer_than_the_collection():
    collection = torch.eye(3)
    hits = rank(torch.tensor([0.1, 0.9, 0.4]), collection, 10)
    assert [hit.index for hit in hits] == [1, 2, 0]


def test_both_directions_on_a_small_gallery(words):
    images = tuple(
        GalleryImage(c, f"a {c}", lambda colour=colour: Image.new("RGB", (4, 4), colour))
        for c, colour in (("cat", "red"), ("cat", "pink"), ("dog", "blue"))
    )
    report = evaluate_retrieval(words, Gallery("test", images), forget=["cat"])
    assert (report.text_to_image["forget"].n, report.text_to_image["retain"].n) == (1, 1)
    assert (report.image_to_text["forget"].n, report.image_to_text["retain"].n) == (2, 1)
    assert report.image_to_text["retain"].at[5] == 1.0


def test_erasing_takes_the_concept_out_of_the_results(pocket, gallery, vocabulary):
    edited = ccup.erase(pocket, select("dog", vocabulary=vocabulary), vocabulary=vocabulary).apply(pocket)
    before = find_images(pocket, "dog", gallery, TEMPLATES, 3)
    after = find_images(edited, "dog", gallery, TEMPLATES, 3)
    assert "dog" in [gallery.images[hit.index].concept for hit in before]
    assert "dog" not in [gallery.images[hit.index].concept for hit in after]
    dog = next(i for i, p in enumerate(gallery) if p.concept == "dog" and p.style != "photo")
    captions = tuple(dict.fromkeys(gallery.captions))
    found = {
        name: captions[find_captions(model, model.image_features(gallery)[dog], captions, 1)[0].index]
        for name, model in (("before", pocket), ("after", edited))
    }
    assert "dog" in found["before"]
    assert "dog" not in found["after"]


def test_of_a_name_that_is_all_gone_no_image_is_found(pocket, gallery, vocabulary):
    dog = select("dog", vocabulary=vocabulary)
    erasure = ccup.erase(pocket, dog, CCUPSettings("nullspace"), vocabulary=vocabulary)
    assert find_images(erasure.apply(pocket), "dog", gallery, TEMPLATES) == [], "what rounding made of 0 is no order"
    assert len(find_images(erasure.at(0.99).apply(pocket), "dog", gallery, TEMPLATES)) == 8
    on_texts = ccup.erase(pocket, dog, CCUPSettings("nullspace", side="text"), vocabulary=vocabulary)
    assert find_images(on_texts.apply(pocket), "dog", gallery, TEMPLATES) == []
    assert rank(torch.tensor([1.0, 0.0]), torch.tensor([[0.2, 0.0]]), 3)[0].index == 0, "a collection of one is found"


def test_neighbours_of_a_dog_are_animals(pocket, vocabulary):
    groups = {concept.name: concept.group for concept in vocabulary.concepts}
    found = nearest_neighbours(pocket, ["Dog"], vocabulary, k=5)
    assert sum(groups[n.name] == groups["dog"] for n in found) >= 4
    assert [n.similarity for n in found] == sorted((n.similarity for n in found), reverse=True)
    assert {n.of for n in found} == {"Dog"}
    assert "dog" not in {n.name for n in found}, "however it is written, it is no neighbour of its own"


NAN = float("nan")


def test_what_is_no_number_is_found_last_if_at_all():
    collection = torch.eye(4)
    collection[2] = NAN
    assert [hit.index for hit in rank(torch.tensor([0.6, 0.0, 0.0, 0.8]), collection, 4)] == [3, 0, 1, 2]
    assert rank(torch.full((4,), NAN), collection, 4) == []


def test_no_number_is_no_hit():
    relevant = torch.tensor([[True, False, False]])
    assert recall_at(torch.tensor([[NAN, 0.1, 0.2]]), relevant).at[1] == 0.0
    assert recall_at(torch.tensor([[0.3, NAN, 0.2]]), relevant).at[1] == 1.0
    assert recall_at(torch.full((1, 3), NAN), relevant).at[1] == 0.0
