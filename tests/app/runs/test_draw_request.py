"""What a drawing may be asked for is what can be drawn."""

from __future__ import annotations

from unlearn.app.asked import DrawRequest
from unlearn.diffusion.apply_edits import CARRY_METHODS
from unlearn.diffusion.drawing import MAX_GUIDANCE, MAX_IMAGES, MAX_SEED, MAX_STEPS
from unlearn.diffusion.pipelines import PIPELINES
from unlearn.options import options_of


def test_choices_and_limits_are_those_of_the_pipelines():
    known = options_of(DrawRequest)
    assert tuple(known["pipeline"].choices) == tuple(PIPELINES)
    assert tuple(known["carry_method"].choices) == tuple(CARRY_METHODS)
    limits = {"steps": MAX_STEPS, "guidance": MAX_GUIDANCE, "seed": MAX_SEED, "count": MAX_IMAGES}
    assert {name: known[name].largest for name in limits} == limits
