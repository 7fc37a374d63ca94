"""Images and texts of a concept are similar until it is erased."""

from __future__ import annotations

import math

import torch

from unlearn.concepts.selection import select
from unlearn.erasers import ccup
from unlearn.evaluation.geometry import image_text_similarity


def test_similarity_matrix_has_its_maximum_on_the_diagonal_before_and_not_after(pocket, gallery, vocabulary):
    names = ("dog", "pizza", "not a class")
    edited = ccup.erase(pocket, select("dog", vocabulary=vocabulary), vocabulary=vocabulary).apply(pocket)
    before, after = (
        image_text_similarity(encoder, gallery, names, vocabulary.templates) for encoder in (pocket, edited)
    )
    assert before[0].argmax() == 0
    assert after[0, 0] < before[0, 0] - 0.1
    assert torch.allclose(before[1, 1], after[1, 1], atol=0.05)
    assert math.isnan(before[2, 0])
