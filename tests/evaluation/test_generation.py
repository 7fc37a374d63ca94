"""What is seen in pictures, and how it is counted."""

from __future__ import annotations

import math

import pytest
import torch
from PIL import Image

from unlearn.data.gallery import bundled_gallery
from unlearn.diffusion import rates
from unlearn.diffusion.rates import Case, DetectionRate, cases_of, detect, two_thing_cases
from unlearn.evaluation.generation import look, named_in
from unlearn.evaluation.judge import Judge, load_judge
from unlearn.progress import run_to_end


class ByColour(torch.nn.Module):
    """A judge's network that knows red, green and blue by heart, and never anything else."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        colours = pixels.mean((2, 3))
        return torch.cat([colours * 9, torch.full((len(pixels), 4), -5.0)], 1)


JUDGE = Judge(ByColour().eval(), ("tomato", "leaf", "sea", "a", "b", "c", "d"))
RED, BLUE = Image.new("RGB", (100, 80), "red"), Image.new("RGB", (20, 20), "blue")


def test_scores_are_probabilities_of_images_of_any_size():
    scores = JUDGE.scores([RED, BLUE])
    assert scores.argmax(1).tolist() == [0, 2]
    torch.testing.assert_close(scores.sum(1), torch.ones(2))


def test_a_sight_tells_what_the_judge_sees_and_what_it_does_not_know(words):
    tomato, unicycle = look([RED, BLUE], ["Tomato", "unicycle"], words, JUDGE)
    assert tomato.seen == (True, False)
    assert unicycle.seen is None
    assert len(unicycle.clip_score) == 2


@pytest.mark.parametrize(
    ("prompt", "named"),
    [
        ("a cat and a pizza on a blue background", ("cat", "pizza")),
        ("Two dogs, one hot dog", ("dog", "hot dog")),
        ("a hot dog", ("hot dog",)),
        ("a caterpillar", ()),
        ("Cat Stevens eats a pizza", ("pizza",)),
        ("A Dog and a Hot Dog", ("dog", "hot dog")),
    ],
)
def test_concepts_are_found_as_words_of_their_own(prompt: str, named: tuple[str, ...]):
    assert set(named_in(prompt, ["cat", "dog", "hot dog", "pizza"])) == set(named)


def test_cases_are_the_same_for_a_seed_and_ask_for_what_is_looked_for():
    cases = cases_of(["cat", "apple"], 6, seed=3)
    assert cases == cases_of(["cat", "apple"], 6, seed=3)
    assert [case.seed for case in cases] == [3, 4, 5, 6, 7, 8]
    assert all(case.concept in case.prompt for case in cases)
    assert not any("a apple" in case.prompt for case in cases)
    for case in two_thing_cases("cat", ["apple", "dog"], 20):
        assert case.concept != "cat"
        assert {"cat", case.concept} <= set(case.prompt.replace(",", "").split())
        assert "a apple" not in case.prompt


def test_what_is_seen_comes_back_group_by_group_wherever_a_batch_ends(monkeypatch):
    def paint(original, edited, prompts, seeds, **settings):
        yield from ()
        return [RED] * len(prompts), [BLUE] * len(prompts)

    monkeypatch.setattr(rates, "paint", paint)
    tomatoes, seas = ([Case(f"a {name}", name, seed) for seed in range(7)] for name in ("tomato", "sea"))
    groups = [tomatoes[:5], [], [*seas, tomatoes[0]]]
    seen = run_to_end(detect(None, None, groups, JUDGE, steps=1, guidance=1.0))
    assert seen == [[(True, False)] * 5, [], [*[(False, True)] * 7, (True, False)]]


def test_rates_count_before_and_after():
    rate = DetectionRate.of([(True, False), (True, True), (False, False)])
    assert (rate.before, rate.after, rate.n) == (pytest.approx(2 / 3), pytest.approx(1 / 3), 3)
    assert math.isnan(DetectionRate.of([]).after)


def test_the_embedded_judge_knows_the_drawings_it_judges():
    judge = load_judge()
    drawings = [p for p in bundled_gallery().train if p.style == "twemoji"][:100]
    top = judge.scores([p.load() for p in drawings]).topk(5).indices
    own = torch.tensor([judge.labels.index(p.concept) for p in drawings])[:, None]
    assert (top == own).any(1).float().mean() > 0.9
