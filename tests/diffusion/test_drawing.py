"""Drawing: what may be asked, that it can be stopped, and that a picture depends on its seed and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import ImageChops

from unlearn.clip.encoders import weights_checksum
from unlearn.concepts.selection import select
from unlearn.diffusion.apply_edits import apply_to_pipeline
from unlearn.diffusion.drawing import MAX_SEED, Drawing, draw
from unlearn.diffusion.pipelines import PIPELINES, LoadedPipeline, PipelineCache, _place, load_pipeline
from unlearn.erasers import ccup
from unlearn.errors import ConceptError, InvalidInputError, ModelError
from unlearn.progress import run_to_end

QUICK = Drawing("a cat", seed=5, steps=3, count=2)


@pytest.fixture(scope="module")
def without_cats(loaded: LoadedPipeline, pocket, vocabulary) -> LoadedPipeline:
    erasure = ccup.erase(pocket, select("cat", vocabulary=vocabulary), vocabulary=vocabulary)
    return apply_to_pipeline(loaded, pocket, closed_form=erasure).loaded


def difference(one, other) -> int:
    return max(high for _, high in ImageChops.difference(one, other).getextrema())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"prompt": "  "}, "prompt is empty"),
        ({"prompt": "x" * 20_001}, "20,001 characters; at most 20,000"),
        ({"seed": -1}, "seed is -1; it must be a whole number from 0"),
        ({"seed": 2**64}, f"from 0 to {MAX_SEED:,}"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": 10_000}, "steps is 10000; it must be a whole number from 1 to 150"),
        ({"guidance": float("nan")}, "guidance is nan; it must be a number from 0 up to 30"),
        ({"guidance": float("inf")}, "guidance is inf"),
        ({"count": 9}, "number of pictures is 9"),
    ],
)
def test_what_cannot_be_drawn_is_said(changes: dict, sentence: str):
    with pytest.raises(InvalidInputError, match=sentence):
        replace(QUICK, **changes)


def test_the_part_of_a_prompt_that_is_not_read_is_quoted(loaded: LoadedPipeline):
    long = "a cat and " * 500 + "a dog"
    assert len(long) > 5000 - 10
    (notice,) = run_to_end(draw(loaded, loaded, Drawing(long, steps=1, count=1))).notices
    assert notice.startswith("The text encoder reads 30 tokens; what follows was cut: “")
    read = " ".join(["a cat and"] * 10)
    assert long.split()[30:33] == ["a", "cat", "and"]
    assert len(read.split()) == 30
    assert run_to_end(draw(loaded, loaded, Drawing(read, steps=1, count=1))).notices == ()


def test_progress_is_told_step_by_step_with_previews(loaded: LoadedPipeline, without_cats: LoadedPipeline):
    steps = []
    pair = run_to_end(draw(loaded, without_cats, replace(QUICK, steps=10)), steps.append)
    assert [step.done for step in steps] == list(range(1, 11))
    assert sum(step.preview is not None for step in steps) == 4
    assert (steps[-1].done, steps[-1].total) == (10, 10)
    assert {image.size for image in (*pair.before, *pair.after)} == {(64, 64)}


def test_a_image_depends_on_its_own_seed_alone(loaded: LoadedPipeline, without_cats: LoadedPipeline):
    both = run_to_end(draw(loaded, without_cats, QUICK))
    second = run_to_end(draw(loaded, without_cats, replace(QUICK, seed=QUICK.seed + 1, count=1)))
    assert difference(both.before[1], second.before[0]) <= 1
    assert difference(both.after[1], second.after[0]) <= 1
    assert difference(both.before[0], both.before[1]) > 10
    assert difference(both.before[0], both.after[0]) > 10


def test_before_is_what_the_pipeline_draws_by_hand(loaded: LoadedPipeline, without_cats: LoadedPipeline):
    pair = run_to_end(draw(loaded, without_cats, replace(QUICK, count=1)))
    noise = torch.randn((1, 12, 8, 8), generator=torch.Generator().manual_seed(QUICK.seed))
    by_hand = loaded.pipeline("a cat", latents=noise, num_inference_steps=3, guidance_scale=QUICK.guidance).images[0]
    assert difference(pair.before[0], by_hand) <= 1


def test_closing_it_ends_the_run_within_a_step(loaded: LoadedPipeline, without_cats: LoadedPipeline):
    run = draw(loaded, without_cats, replace(QUICK, steps=100))
    next(run)
    next(run)
    run.close()
    checksum = weights_checksum(loaded.pipeline.unet)
    run_to_end(draw(loaded, without_cats, QUICK))
    assert weights_checksum(loaded.pipeline.unet) == checksum


def test_an_error_inside_of_the_pipeline_is_raised_where_it_is_asked_on(loaded: LoadedPipeline, monkeypatch):
    def fail(*_, **__):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(loaded.pipeline.vae, "decode", fail)
    with pytest.raises(torch.OutOfMemoryError):
        run_to_end(draw(loaded, loaded, replace(QUICK, steps=1)))


def test_a_pipeline_that_cannot_be_had_is_a_sentence(monkeypatch):
    with pytest.raises(ModelError, match="no pipeline “dall-e”; choose one of pocket, "):
        load_pipeline("dall-e")
    from diffusers import DiffusionPipeline

    for error in (OSError("We couldn't connect to the hub"), OSError(28, "No space left on device")):

        def unreachable(*_, error=error, **options):
            assert len(options["revision"]) == 40, "a revision is pinned"
            raise error

        monkeypatch.setattr(DiffusionPipeline, "from_pretrained", unreachable)
        with pytest.raises(ModelError, match="“pocket” needs no download and stays usable"):
            load_pipeline("sd-turbo")


def test_the_embedded_painter_stays_whatever_others_are_asked_for(monkeypatch):
    loaded = []

    def load(name: str) -> LoadedPipeline:
        loaded.append(name)
        return LoadedPipeline(name, PIPELINES["pocket"], None)

    monkeypatch.setattr("unlearn.diffusion.pipelines.load_pipeline", load)
    pipelines = PipelineCache()
    for name in ("pocket", "sd-turbo", "stable-diffusion-xl", "sd-turbo", "pocket"):
        assert pipelines.get(name).name == name
    assert loaded == ["pocket", "sd-turbo", "stable-diffusion-xl", "sd-turbo"]


def test_an_empty_prompt_is_a_concept_error():
    with pytest.raises(ConceptError):
        Drawing("")


@pytest.mark.parametrize(("free_gib", "in_pieces"), [(8, True), (40, False)])
def test_where_gpu_memory_is_short_the_pipeline_goes_there_in_pieces(free_gib: int, in_pieces: bool, monkeypatch):
    calls = []

    class Pipeline:
        def __getattr__(self, name: str):
            return lambda *_, **__: calls.append(name)

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free_gib * 2**30, 80 * 2**30))
    _place(Pipeline(), torch.device("cuda"))
    assert calls == (["enable_attention_slicing", "enable_model_cpu_offload"] if in_pieces else ["to"])
