"""Results as functions of the strength agree with the edited model at every strength."""

from __future__ import annotations

import pytest
import torch

from unlearn import erase
from unlearn.clip.embeddings import unit_or_zero
from unlearn.clip.encoders import EditedEncoder
from unlearn.clip.projection import Projection
from unlearn.evaluation.by_strength import LineOfScores, edit_of
from unlearn.evaluation.zero_shot import label_probabilities, true_label_ranks

STRENGTHS = torch.tensor([0.0, 0.01, 0.3, 0.77, 1.0])


@pytest.fixture
def problem():
    generator = torch.Generator().manual_seed(0)

    def rows(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    edit = Projection(rows(16, 3) / 4, rows(16, 3) / 4, 0.4)
    return edit, unit_or_zero(rows(50, 16)), unit_or_zero(rows(9, 16)), torch.arange(50) % 9


def test_probabilities_are_those_of_the_edited_embeddings(problem):
    edit, images, texts, _ = problem
    line = LineOfScores.of(edit, images, texts)
    for strength in STRENGTHS.tolist():
        slow = (20 * unit_or_zero(edit.at(strength).on_images(images)) @ texts.T).softmax(dim=-1)
        assert torch.allclose(line.probabilities(strength, 20.0), slow, atol=1e-6)


def test_the_own_label_leads_where_it_ranks_first(problem):
    edit, images, texts, targets = problem
    first = LineOfScores.of(edit, images, texts).top1(targets, STRENGTHS)
    slow = [
        true_label_ranks(unit_or_zero(edit.at(strength).on_images(images)), texts, targets) < 1
        for strength in STRENGTHS.tolist()
    ]
    assert torch.equal(first, torch.stack(slow, dim=1))
    assert len(set(first.sum(dim=0).tolist())) > 1, "the strength makes no difference here"


def test_a_label_that_another_equals_never_leads(problem):
    edit, images, texts, targets = problem
    twice = torch.cat([texts, texts])
    assert not LineOfScores.of(edit, images, twice).top1(targets, STRENGTHS).any()


def test_only_one_edit_of_images_is_followed(toy, toy_vocabulary):
    edited = erase(toy, ["apple"], vocabulary=toy_vocabulary.names).apply(toy)
    assert edit_of(edited) is edited.projection
    assert edit_of(toy) is None
    assert edit_of(EditedEncoder(toy, edited.projection, side="text")) is None
    assert edit_of(EditedEncoder(edited, edited.projection)) is None


def test_real_probabilities_agree(pocket, gallery):
    edited = erase(pocket, ["dog"]).apply(pocket)
    labels, templates = ["dog", "cat", "pizza", "wolf"], ["a photo of a {}."]
    some = gallery.test.where(lambda image: image.concept in {"dog", "pizza"})
    line = LineOfScores.of(edited.projection, pocket.image_features(some), pocket.text_features(labels, templates))
    shown = label_probabilities(edited, edited.image_features(some), labels, templates)
    assert torch.allclose(line.probabilities(edited.projection.strength, pocket.logit_scale), shown, atol=1e-5)
