"""Whatever a visitor writes is text on the page, never markup."""

from __future__ import annotations

import re

from helpers.fakes import drawing

from unlearn.app.results import FoundCaption, FoundImage, Hits, SplitAccuracy, Summary
from unlearn.concepts.other_names import Unknown
from unlearn.data.gallery import GalleryImage
from unlearn.evaluation.neighbours import Neighbour
from unlearn.evaluation.retrieval import Recall, RetrievalReport
from unlearn.evaluation.zero_shot import Accuracy
from unlearn.templates import percent
from unlearn.ui.html import markup
from unlearn.ui.html.templates import fill

EVIL = "<script>alert(1)</script>"
NONE = Accuracy(float("nan"), float("nan"), 0)
ACCURACY = {
    "Original": SplitAccuracy(Accuracy(0.924, 1.0, 13), Accuracy(0.811, 0.95, 400)),
    "CCUP": SplitAccuracy(Accuracy(0.0, 0.25, 13), Accuracy(0.809, 0.95, 400)),
}


def evil_image() -> GalleryImage:
    return GalleryImage(EVIL, EVIL, lambda: drawing("cat"))


def test_no_markup_of_a_visitor_survives():
    image = evil_image()
    summary = Summary((EVIL,), (Neighbour(EVIL, EVIL, 0.5),), ACCURACY, (Unknown(EVIL, (EVIL,)),))
    pieces = [
        markup.summary(summary, [EVIL], [EVIL], [EVIL]),
        fill("chips", concepts=[EVIL], erased=[EVIL]),
        markup.found_images({"Original": Hits((FoundImage(image, 0.5),)), "CCUP": Hits(unanswered=EVIL)}, [EVIL]),
        markup.found_captions({"Original": [FoundCaption(EVIL, EVIL, 0.5)]}, []),
        markup.strip([(0, image)], [EVIL]),
        markup.shown_image(image),
    ]
    assert all("<script" not in piece for piece in pieces)
    assert all("&lt;script&gt;" in piece for piece in pieces)


def test_the_summary_says_before_and_after():
    page = markup.summary(Summary((), (Neighbour("wolf", "dog", 0.9),), ACCURACY), ["dog"])
    text = re.sub(r"<[^>]+>", "", page)
    assert "forget set (n = 13)" in text
    assert "retain set (n = 400)" in text
    assert 'title="95 % intervals: before 67% to 99%, after 0% to 23%"' in page
    assert "92% → 0%" in text
    assert "81% → 81%" in text
    assert "wolf" in text


def test_with_nothing_erased_the_summary_says_what_to_do():
    assert "Name at least one concept" in markup.summary(Summary((), (), {}), [])


def test_many_notices_are_cut_short():
    text = markup.summary(Summary(tuple(f"notice {i}" for i in range(40)), (), ACCURACY), ["dog"])
    assert text.count("u-notice") == 5
    assert "36 more" in text


def test_what_was_not_measured_is_a_dash():
    assert percent(float("nan")) == "–"
    table = fill("accuracy", accuracy={"Original": SplitAccuracy(NONE, ACCURACY["Original"].retain)}, titles={})
    assert table.count("–") == 2
    assert "0 pictures" in table


def test_erased_concepts_are_marked_by_more_than_colour():
    shown = markup.strip(
        [(i, GalleryImage(name, "", lambda: drawing("cat"))) for i, name in enumerate(("Cat", "dog"))], ["cat"]
    )
    assert '<span><span class="u-erased">✕ Cat</span></span>' in shown
    assert "<span>dog</span>" in shown
    found = markup.found_captions({"Original": [FoundCaption("a cat", "cat", 0.2)]}, ["cat"])
    assert "✕ a cat" in found


def test_the_recall_table_has_a_row_for_every_variant_and_direction():
    recall = {"forget": Recall({1: 0.5, 5: 1.0, 10: 1.0}, 4), "retain": Recall({1: 0.1, 5: 0.2, 10: 0.3}, 9)}
    table = fill("recall", recall={v: RetrievalReport(recall, recall) for v in ("Original", "CCUP")})
    assert table.count("u-variant") == 4
    assert table.count("50%") == 4


def test_a_thumbnail_is_small_made_once_and_forgotten_with_its_image():
    loads = []

    def load():
        loads.append(1)
        return drawing("cat", 400)

    image = GalleryImage("cat", "a cat", load)
    first = markup.thumbnail(image)
    assert first.startswith("data:image/webp;base64,")
    assert len(first) < 4_000
    assert markup.thumbnail(image) == first
    assert len(loads) == 1
    held = len(markup._thumbnails)
    del image
    assert len(markup._thumbnails) == held - 1
