from __future__ import annotations

import pytest

from unlearn.concepts.selection import select
from unlearn.erasers.settings import FORMS, CCUPSettings
from unlearn.sweeps.trade_off import growing, sweep_count, sweep_strength


def test_strength_sweep_starts_at_the_original_and_ends_at_the_erasure(pocket, gallery, vocabulary):
    selection = select(["dog", "pizza"], vocabulary=vocabulary)
    points = list(
        sweep_strength(pocket, gallery, selection, CCUPSettings(), vocabulary=vocabulary, strengths=(0.0, 0.5, 1.0))
    )
    assert [(p.form, p.strength) for p in points] == [(m, s) for m in FORMS for s in (0.0, 0.5, 1.0)]
    for start, _, end in (points[:3], points[3:6], points[6:]):
        assert (start.forget, start.retain) == (points[0].forget, points[0].retain)
        assert end.forget == 0.0 < start.forget
    assert min(points[2].retain, points[5].retain) >= points[8].retain - 0.01, "the plain form keeps least"


def test_count_sweep_erases_the_visitors_concepts_first(pocket, gallery, vocabulary):
    selection = select(["dog"], vocabulary=vocabulary)
    grown = growing(selection, vocabulary, counts=(1, 20))
    points = list(sweep_count(pocket, gallery, grown, CCUPSettings(), vocabulary=vocabulary))
    assert [p.num_erased for p in points] == [1, 20] * 3
    one, twenty = points[4], points[5]
    assert twenty.retain < one.retain, "the plain nullspace decays with the number of erased concepts"


@pytest.mark.parametrize("retain", [None, ["cat", "wolf", "fox"]])
def test_among_the_growing_forget_sets_is_the_visitors_own(vocabulary, retain):
    selection = select(["dog", "a word of my own"], retain, vocabulary=vocabulary)
    one, two, many = growing(selection, vocabulary, counts=(1, 2, 50, 10_000))
    assert (two.forget, two.retain) == (selection.forget, selection.retain)
    assert (one.forget_names, many.forget_names[:2]) == (("dog",), selection.forget_names)
    if retain:
        assert not set(many.forget_names) & set(retain), "what is protected is not erased instead"
        assert one.retain == many.retain == tuple(retain)
    else:
        assert many.retain == vocabulary.without(many.forget_names)


def test_an_edit_of_both_sides_stands_beside_the_paired_form_on_images(toy, toy_gallery, toy_vocabulary):
    selection, both = select("apple", vocabulary=toy_vocabulary), CCUPSettings("consistent", side="both")
    swept = [
        list(sweep_strength(toy, toy_gallery.test, selection, settings, vocabulary=toy_vocabulary, strengths=(1.0,)))
        for settings in (both, CCUPSettings())
    ]
    assert [point.form for point in swept[0]] == list(FORMS)
    assert swept[0][FORMS.index("paired")] == swept[1][FORMS.index("paired")]
