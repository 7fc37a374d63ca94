from __future__ import annotations

import math
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn import functional as F

from unlearn.clip.embeddings import similarity, unit_or_zero
from unlearn.concepts.selection import Vocabulary
from unlearn.data.gallery import Gallery, GalleryImage
from unlearn.evaluation.zero_shot import (
    above_chance,
    accuracy_of,
    classify,
    evaluate_zero_shot,
    first_among_few,
    most_telling,
    true_label_ranks,
)


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(2, 9))
@settings(max_examples=30, deadline=None)
def test_ranks_equal_sorting_by_hand(seed, n, c):
    generator = torch.Generator().manual_seed(seed)
    image = F.normalize(torch.randn(n, 6, generator=generator), dim=-1)
    classes = F.normalize(torch.randn(c, 6, generator=generator), dim=-1)
    targets = torch.randint(c, (n,), generator=generator)
    ranks = true_label_ranks(image, classes, targets)
    for i in range(n):
        scores = [float(image[i] @ row) for row in classes]
        by_hand = sorted(range(c), key=lambda j: -scores[j]).index(int(targets[i]))
        assert int(ranks[i]) == by_hand


def test_ten_thousand_classes_are_ranked(words):
    names = [f"thing {number}" for number in range(10_000)]
    images = [GalleryImage(name, name, lambda: Image.new("RGB", (2, 2))) for name in names[:3]]
    report = evaluate_zero_shot(words, Gallery("things", tuple(images)), vocabulary=Vocabulary.of(names))
    assert report.retain.n == 3
    assert 0 <= report.retain.top1 <= 1


def test_ties_count_against_the_label():
    image, classes = torch.ones(1, 2) / 2**0.5, torch.ones(3, 2) / 2**0.5
    assert true_label_ranks(image, classes, torch.tensor([0])).tolist() == [2]


def test_an_embedding_with_nothing_left_never_wins():
    kept = F.normalize(torch.tensor([[-1.0, 0.2]]), dim=-1)
    gone = unit_or_zero(torch.tensor([[0.05, 0.0]]))
    assert not gone.any()
    image = torch.tensor([[1.0, 0.0]])
    # Its cosine with the kept class is −0.98: a plain zero would have beaten it.
    assert similarity(image, torch.cat([kept, gone]))[0].argmax() == 0


def test_accuracy_counts_top1_and_top5():
    accuracy = accuracy_of(torch.tensor([0, 4, 5, 0]))
    assert (accuracy.top1, accuracy.top5, accuracy.n) == (0.5, 0.75, 4)
    assert math.isnan(accuracy_of(torch.tensor([])).top1)


@pytest.mark.parametrize("labels", [3, 5, 8])
def test_first_among_few_is_the_mean_over_all_draws(labels):
    ranks, wrong = torch.arange(labels), range(labels - 1)
    for others in (1, 4):
        draws = list(combinations(wrong, min(others, labels - 1)))
        expected = [
            sum(all(label >= rank for label in drawn) for drawn in draws) / len(draws) for rank in range(labels)
        ]
        assert first_among_few(ranks, labels, others).tolist() == pytest.approx(expected)


def test_among_few_labels_chance_is_one_in_five_and_certainty_is_one():
    assert first_among_few(torch.zeros(3), 20).tolist() == [1.0] * 3
    assert float(first_among_few(torch.arange(20), 20).mean()) == pytest.approx(0.2), "any rank is as likely"


def image(concept: str, colour: str) -> GalleryImage:
    return GalleryImage(concept, f"a {concept}", lambda: Image.new("RGB", (4, 4), colour))


def test_report_splits_forget_and_retain(words):
    gallery = Gallery("test", (image("cat", "red"), image("dog", "blue"), image("unlisted", "green")))
    report = evaluate_zero_shot(words, gallery, forget=["Cat"], vocabulary=Vocabulary.of(["cat", "dog", "car"]))
    assert (report.overall.n, report.forget.n, report.retain.n) == (2, 1, 1)
    assert set(report.per_class) == {"cat", "dog"}
    assert report.overall.top1 == pytest.approx((report.per_class["cat"].top1 + report.per_class["dog"].top1) / 2)


def test_probabilities_sum_to_one_and_come_sorted(words):
    result = classify(words, Image.new("RGB", (4, 4), "red"), ["cat", "dog", "car"])
    assert sum(result.values()) == pytest.approx(1.0, abs=1e-5)
    assert list(result.values()) == sorted(result.values(), reverse=True)


def test_class_embedding_is_the_mean_over_templates(words):
    templates = ("{}", "a photo of a {}")
    mean = words.encode_text(["cat", "a photo of a cat"]).mean(dim=0)
    torch.testing.assert_close(words.text_features(["cat"], templates)[0], F.normalize(mean, dim=0))


def test_embedded_model_knows_its_gallery(pocket, gallery, vocabulary):
    drawings = gallery.where(lambda p: p.style != "photo")
    report = evaluate_zero_shot(pocket, gallery, vocabulary=vocabulary)
    assert report.overall.n == len(gallery) >= 300
    assert len(drawings) > 0.9 * len(gallery)
    # Far below what the model card states, far above chance (0.2 %): this fails when weights or words are mixed up.
    assert report.overall.top1 > 0.6
    assert report.overall.top5 > 0.75


def test_the_most_telling_labels_are_the_leaders_of_all_and_what_is_asked_for():
    before = {"cat": 0.5, "dog": 0.3, "car": 0.1, "pizza": 0.06, "rose": 0.04}
    after = {"cat": 0.0, "dog": 0.1, "car": 0.2, "pizza": 0.3, "rose": 0.4}
    assert most_telling({"Original": before, "CCUP": after}, ["car", "unicorn"], 4) == ["cat", "dog", "car", "rose"]
    assert most_telling({"Original": before}, [], 9) == list(before), "no more than there are"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_ranks_last(bad):
    image, classes = F.normalize(torch.eye(3), dim=-1), F.normalize(torch.eye(3), dim=-1)
    assert true_label_ranks(torch.full((3, 3), bad), classes, torch.arange(3)).tolist() == [2, 2, 2]
    assert true_label_ranks(image, torch.full((3, 3), bad), torch.arange(3)).tolist() == [2, 2, 2]
    classes[1] = bad
    assert true_label_ranks(image, classes, torch.arange(3)).tolist() == [0, 2, 0]


def test_a_model_that_gives_no_numbers_knows_nothing(words):
    class Broken(type(words)):
        def encode_image(self, batch):
            return torch.full((len(batch), self.embed_dim), torch.nan)

    broken = Broken()
    images = tuple(
        GalleryImage(name, name, lambda: Image.new("RGB", (4, 4)), "test") for name in ("cat", "dog", "car", "tree")
    )
    report = evaluate_zero_shot(broken, Gallery("four", images), forget=["cat"])
    assert (report.forget.top1, report.retain.top1) == (0.0, 0.0)
    seen = classify(broken, images[0].load(), ["cat", "dog"])
    assert list(seen.values()) == [0.5, 0.5]


@pytest.mark.parametrize(
    ("top1", "n", "labels", "said"),
    [(0.5, 4, 2, False), (0.75, 4, 2, True), (1 / 7, 7, 467, False), (2 / 7, 7, 467, True)],
)
def test_what_is_left_above_chance_is_said(top1, n, labels, said):
    sentence = above_chance(top1, n, labels)
    assert bool(sentence) == said
    if said:
        assert f"{round(top1 * n)} of {n} pictures" in sentence


def test_of_no_images_nothing_is_said_of_chance():
    assert above_chance(math.nan, 0, 2) == ""
