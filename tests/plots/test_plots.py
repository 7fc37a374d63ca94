"""Figures are valid, say what they are given, keep their height and mark what is erased."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable

import gradio as gr
import plotly.graph_objects as go
import pytest
import torch

from unlearn.attacks.finding import Curve
from unlearn.erasers.cliperase import TrainingStep
from unlearn.erasers.methods import COMPARED
from unlearn.erasers.variants import BOTH, CCUP
from unlearn.evaluation.geometry import Interference
from unlearn.plots.bars import label_bars, own_similarity_bars
from unlearn.plots.matrices import interference_matrix, similarity_matrix
from unlearn.plots.methods import method_scatter
from unlearn.plots.relearning import relearning_curves
from unlearn.plots.runs import accuracy_curves, loss_curves
from unlearn.plots.style import COLOURS, marked, styled
from unlearn.plots.trade_off import DASHES, count_curves, strength_curves
from unlearn.sweeps.comparison import Outcome
from unlearn.sweeps.point import TradeOffPoint
from unlearn.ui.components import drawn

PROBABILITIES = {"Original": {"cat": 0.9, "<b>dog</b>": 0.1}, "CCUP": {"cat": 0.02, "<b>dog</b>": 0.98}}
POINTS = [
    TradeOffPoint(form, strength, count, forget=1 - strength, retain=0.8)
    for form in DASHES
    for strength in (0.0, 0.5, 1.0)
    for count in (1, 5)
]


def test_bars_are_paired_by_variant_and_hold_the_numbers():
    figure = label_bars(PROBABILITIES, ["cat"]).to_plotly()
    assert [bar.name for bar in figure.data] == ["Original", "CCUP"]
    assert list(figure.data[1].x) == [0.02, 0.98]
    assert len({bar.marker.color for bar in figure.data}) == 2


def test_erased_labels_carry_a_cross_and_labels_are_escaped():
    named = label_bars(PROBABILITIES, ["cat"], {"CCUP": "CCUP (<b>cat</b>)"}).to_plotly()
    assert [bar.name for bar in named.data] == ["Original", "CCUP (&lt;b&gt;cat&lt;/b&gt;)"]
    ticks = label_bars(PROBABILITIES, ["CAT"]).to_plotly().layout.yaxis.ticktext
    assert "✕ cat" in ticks[0]
    assert ticks[1] == "&lt;b&gt;dog&lt;/b&gt;"
    assert marked("x" * 60, []) == "x" * 17 + "…"


@pytest.mark.parametrize("labels", [1, 8])
def test_the_height_does_not_depend_on_the_data(labels: int):
    few = {"Original": {f"thing {i}": 1 / labels for i in range(labels)}}
    assert label_bars(few, []).to_plotly().layout.height == label_bars(PROBABILITIES, []).to_plotly().layout.height


def test_curves_tell_mode_and_part_without_colour():
    figure = strength_curves(POINTS, 0.7).to_plotly()
    assert {(trace.line.dash, trace.name.split(",")[0]) for trace in figure.data} == {
        (dash, part) for dash in ("solid", "dash", "dot") for part in ("erased", "others")
    }
    assert figure.layout.shapes[0].x0 == 0.7
    assert list(figure.data[0].y) == [1.0, 1.0, 0.5, 0.5, 0.0, 0.0]
    assert all("erased: " in trace.hovertemplate for trace in count_curves(POINTS).to_plotly().data)


def test_relearning_tells_the_edited_model_by_its_dash_and_examples_by_width_in_any_order():
    curves = [Curve(edited, n, f"{n} <b>", ((0, 0.5), (5, 0.9))) for n in (5, 1, 2) for edited in (False, True)]
    traces = relearning_curves(curves).to_plotly().data
    assert [trace.line.dash for trace in traces] == ["dash", "solid"] * 3
    assert [trace.line.width for trace in traces] == [2, 2, 1, 1, 1.5, 1.5]
    assert [trace.showlegend for trace in traces] == [True, True, False, False, False, False]
    assert traces[1].hovertemplate.startswith("edited, 5 &lt;b&gt;, step")


def test_a_matrix_shows_what_is_missing_as_missing():
    figure = similarity_matrix(torch.tensor([[1.0, 0.2], [torch.nan, torch.nan]]), ["cat", "dog"], ["cat"], "X")
    assert json.loads(figure.to_json())["data"][0]["z"][1] == [None, None]
    assert "✕ cat" in figure.to_plotly().layout.xaxis.ticktext[0]


def test_own_similarities_are_the_diagonal_of_every_variant():
    before, after = torch.tensor([[0.8, 0.1], [0.2, torch.nan]]), torch.tensor([[-0.1, 0.1], [0.2, 0.7]])
    figure = own_similarity_bars({"Original": before, "CCUP": after}, ["cat", "<b>"], ["cat"]).to_plotly()
    assert [bar.name for bar in figure.data] == ["Original", "CCUP"]
    assert figure.data[0].x == (pytest.approx(0.8), None)
    assert figure.data[1].x == (pytest.approx(-0.1), pytest.approx(0.7))
    assert figure.layout.yaxis.ticktext[1] == "&lt;b&gt;"


def test_interference_shows_who_loses_and_leaves_the_unknown_blank():
    change = torch.tensor([[-0.9, -0.05], [-0.001, torch.nan]])
    found = Interference(("cat", "dog"), probability=change)
    cells = json.loads(interference_matrix(found, ["cat"]).to_json())["data"][0]
    interference_matrix(found, ["cat"]).to_plotly()
    assert cells["z"][1] == [pytest.approx(-0.001), None]
    assert cells["text"] == [["-90%", "-5%"], ["0%", ""]]
    assert cells["z"][0] == pytest.approx([-0.9, -0.05])
    assert cells["customdata"][0][1] == ["cat", "dog"]


def test_a_method_has_the_colour_of_what_it_makes():
    outcomes = [Outcome(method.label, method.variant, 0.0, 0.5, 0.5, 9) for method in COMPARED.values()]
    colours = dict(zip(COMPARED, method_scatter(outcomes).to_plotly().data[0].marker.color, strict=True))
    assert colours["ccup"] == COLOURS[CCUP]
    assert colours["stacked"] == COLOURS[BOTH] != colours["cliperase"]


def test_methods_that_end_close_together_share_the_place_of_their_numbers():
    ends = [(1.0, 0.80), (0.0, 0.79), (0.02, 0.795), (0.0, 0.1), (0.9, 0.80)]
    outcomes = [Outcome(f"method {n}", "CCUP", *end, seconds=0.5, parameters=9) for n, end in enumerate(ends, start=1)]
    figure = method_scatter(outcomes).to_plotly()
    assert list(zip(figure.data[0].x, figure.data[0].y, strict=True)) == ends
    numbers = [number for note in figure.layout.annotations for number in note.text.split(", ")]
    assert sorted(numbers) == ["1", "2", "3", "4", "5"], "every method has one number"
    assert "2, 3" in [note.text for note in figure.layout.annotations]
    assert "500 ms" in figure.data[0].customdata[0]


def test_a_method_without_numbers_has_no_dot_and_the_others_keep_their_places():
    outcomes = [
        Outcome("one", CCUP, 0.9, 0.8, 1.0, 3),
        Outcome("two", CCUP, refusal="No picture."),
        Outcome("three", CCUP, 0.1, 0.7, 1.0),
    ]
    figure = method_scatter(outcomes).to_plotly()
    assert figure.data[0].x == (0.9, 0.1)
    assert {note.text for note in figure.layout.annotations} == {"1", "3"}


def test_curves_of_a_run_are_valid_and_leave_out_what_was_not_measured():
    records = [
        TrainingStep(done, 10, forgetting=0.5, consistency=0.1, forget_accuracy=forget, retain_accuracy=retain)
        for done, forget, retain in ((0, 1.0, 0.9), (5, math.nan, math.nan))
    ]
    losses, accuracy = loss_curves(records).to_plotly(), accuracy_curves(records).to_plotly()
    assert [trace.name for trace in losses.data] == ["forgetting", "retention", "consistency"]
    assert losses.data[1].y == (None, None)
    assert [list(trace.x) for trace in accuracy.data] == [[0], [0]]


def test_the_check_finds_what_plotly_does_not_know():
    with pytest.raises(ValueError, match="Invalid property"):
        styled(100, [], xaxis={"colour": "red"}, yaxis={}).to_plotly()


def test_a_page_gets_the_json_alone():
    figure = label_bars(PROBABILITIES, ["cat"])
    shown = gr.Plot(render=False).postprocess(drawn(figure))
    assert (shown.type, json.loads(shown.plot)) == ("plotly", json.loads(figure.to_json()))
    assert "template" not in json.loads(shown.plot)["layout"]


def test_a_chart_costs_a_small_part_of_plotlys_own_objects():
    figure = label_bars(PROBABILITIES, ["cat"])
    asked = json.loads(figure.to_json())
    plain, validated = (
        least_seconds(make)
        for make in (lambda: label_bars(PROBABILITIES, ["cat"]).to_json(), lambda: go.Figure(asked).to_json())
    )
    assert plain < validated / 5


def least_seconds(make: Callable[[], object]) -> float:
    """The least processor time of a few calls."""
    times = []
    for _ in range(5):
        start = time.process_time()
        make()
        times.append(time.process_time() - start)
    return min(times)
