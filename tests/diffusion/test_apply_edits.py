"""Edits reach the token states of every kind of pipeline; where they cannot, that is said in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from helpers.diffusion_pipelines import NARROWER, random_pipeline
from helpers.toy import toy_model
from helpers.untrained import untrained_text_tower
from PIL import ImageChops
from safetensors.torch import load_file

from unlearn.clip.encoders import OpenClipEncoder, weights_checksum
from unlearn.clip.loading import load_clip
from unlearn.clip.weights import with_weights
from unlearn.concepts.selection import Vocabulary, select
from unlearn.diffusion.apply_edits import apply_to_pipeline, baked_attention, drives
from unlearn.diffusion.drawing import Drawing, draw
from unlearn.diffusion.pipelines import LoadedPipeline
from unlearn.diffusion.records import save_attention
from unlearn.erasers import ccup
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import CCUPSettings
from unlearn.errors import ModelError, ParameterError
from unlearn.finetuning.trainable import make_trainable
from unlearn.progress import run_to_end

FEW = Vocabulary.of(("cat", "dog", "pizza", "car", "tree"))
DRAWING = Drawing("a cat and a pizza", seed=3, steps=2, guidance=3.0, count=1)


def erasure_of(encoder: OpenClipEncoder, strength: float = 1.0) -> Erasure[CCUPSettings]:
    return ccup.erase(encoder, select("cat", vocabulary=FEW), CCUPSettings(strength=strength), vocabulary=FEW)


def test_a_pipeline_is_driven_by_its_own_clip_only(stable_diffusion, pocket):
    loaded, encoder = stable_diffusion
    assert drives(encoder, loaded.text_encoders[0])
    assert not drives(pocket, loaded.text_encoders[0])


def test_sdxls_second_text_encoder_is_known_and_carries_cliperase_too(tokenizer_folder):
    loaded, _ = random_pipeline("stable-diffusion-xl", tokenizer_folder)
    second = replace(toy_model(), model=untrained_text_tower("ViT-bigG-14", narrower=NARROWER))
    assert [drives(second, text_encoder) for text_encoder in loaded.text_encoders] == [False, True]
    key = "transformer.resblocks.0.mlp.c_fc.weight"
    tuned = with_weights(second, {key: second.model.state_dict()[key] * 1.1}, name="tuned")
    edited_pipeline = apply_to_pipeline(loaded, second, tuned=tuned)
    pairs = zip(loaded.text_encoders, edited_pipeline.loaded.text_encoders, strict=True)
    assert [torch.equal(before.states(["a cat"]), after.states(["a cat"])) for before, after in pairs] == [True, False]


def test_strength_zero_is_the_same_states_and_one_is_not(stable_diffusion):
    loaded, encoder = stable_diffusion
    erasure = erasure_of(encoder)
    for strength, same in ((0.0, True), (1.0, False)):
        edited_pipeline = apply_to_pipeline(loaded, encoder, closed_form=erasure.at(strength), vocabulary=FEW)
        for before, after in zip(loaded.text_encoders, edited_pipeline.loaded.text_encoders, strict=True):
            assert torch.equal(before.states(["a cat"]), after.states(["a cat"])) is same


def test_the_shared_weights_stay_as_they_were(stable_diffusion):
    loaded, encoder = stable_diffusion
    sums = [weights_checksum(text_encoder.text_encoder) for text_encoder in loaded.text_encoders]
    states = [text_encoder.states(["a cat"]) for text_encoder in loaded.text_encoders]
    apply_to_pipeline(loaded, encoder, closed_form=erasure_of(encoder), vocabulary=FEW)
    assert sums == [weights_checksum(text_encoder.text_encoder) for text_encoder in loaded.text_encoders]
    assert all(torch.equal(a, b.states(["a cat"])) for a, b in zip(states, loaded.text_encoders, strict=True))


def test_baked_into_the_denoiser_the_images_are_the_apps(stable_diffusion):
    loaded, encoder = stable_diffusion
    erasure = erasure_of(encoder)
    edited_pipeline = apply_to_pipeline(loaded, encoder, closed_form=erasure, carry_method="ridge", vocabulary=FEW)
    states = torch.cat([text_encoder.states(["a cat and a pizza"]) for text_encoder in loaded.text_encoders], -1)
    mapped = torch.cat(
        [text_encoder.states(["a cat and a pizza"]) for text_encoder in edited_pipeline.loaded.text_encoders], -1
    )
    original = loaded.pipeline.unet.state_dict()
    baked = baked_attention(edited_pipeline)
    assert baked
    for key, weight in baked.items():
        torch.testing.assert_close(states @ weight.T, mapped @ original[key].T, atol=2e-3, rtol=1e-3)


def test_all_that_the_denoiser_hears_of_the_concept_changes(stable_diffusion):
    loaded, encoder = stable_diffusion
    edited_pipeline = apply_to_pipeline(loaded, encoder, closed_form=erasure_of(encoder), vocabulary=FEW)
    asked = {"prompt": "a cat", "device": "cpu", "num_images_per_prompt": 1, "do_classifier_free_guidance": True}
    heard = [p.pipeline.encode_prompt(**asked) for p in (loaded, edited_pipeline.loaded)]
    # With a negative prompt of zeros (SDXL) there is nothing to map.
    for before, after in zip(*heard, strict=True):
        assert before is None or not before.any() or not torch.equal(before, after)


def test_before_and_after_are_drawn_from_the_same_noise(stable_diffusion):
    loaded, encoder = stable_diffusion
    none = apply_to_pipeline(loaded, encoder, closed_form=erasure_of(encoder, 0.0), vocabulary=FEW)
    pair = run_to_end(draw(loaded, none.loaded, DRAWING))
    assert pair.before[0].tobytes() == pair.after[0].tobytes()
    edited = apply_to_pipeline(loaded, encoder, closed_form=erasure_of(encoder), vocabulary=FEW)
    other = run_to_end(draw(loaded, edited.loaded, DRAWING))
    largest = max(high for _, high in ImageChops.difference(other.before[0], pair.before[0]).getextrema())
    assert largest <= 1, "the same seed draws the same picture, whatever else is in the batch"
    assert other.after[0].tobytes() != other.before[0].tobytes()


def test_cliperases_text_tower_drives_the_pipeline_that_its_clip_drives(stable_diffusion):
    loaded, encoder = stable_diffusion
    key = "transformer.resblocks.0.mlp.c_fc.weight"
    tuned = with_weights(encoder, {key: encoder.model.state_dict()[key] * 1.1}, name="tuned")
    edited_pipeline = apply_to_pipeline(loaded, encoder, tuned=tuned)
    before, after = loaded.text_encoders[0].states(["a cat"]), edited_pipeline.loaded.text_encoders[0].states(["a cat"])
    assert not torch.equal(before, after)
    layers = loaded.text_encoders[0].text_encoder.config.num_hidden_layers
    from unlearn.clip.text_tower import as_clip_text_model

    expected = replace(loaded.text_encoders[0], text_encoder=as_clip_text_model(tuned.model, layers=layers))
    torch.testing.assert_close(after, expected.states(["a cat"]), atol=1e-5, rtol=1e-5)


def test_the_text_tower_that_trains_reaches_all_that_a_denoiser_reads_of_it(tmp_path):
    """Stable Diffusion 2 leaves the last block out, SDXL reads the states before it and the pooled state after it."""
    for name, architecture in (("stable-diffusion-2-1", ""), ("stable-diffusion-xl", "ViT-bigG-14")):
        loaded, encoder = random_pipeline(name, tmp_path)
        if architecture:
            encoder = replace(encoder, model=untrained_text_tower(architecture, narrower=NARROWER))
        own = [drives(encoder, text_encoder) for text_encoder in loaded.text_encoders]
        assert any(own)
        delta = {key: weight * 1.1 for key, weight in make_trainable(encoder, "text").delta().items()}
        tuned = with_weights(encoder, delta, name="tuned")
        after = apply_to_pipeline(loaded, encoder, tuned=tuned)
        assert not after.notices
        pairs = zip(own, loaded.text_encoders, after.loaded.text_encoders, strict=True)
        for position, (is_own, one, other) in enumerate(pairs):
            layers = (one.layer, None) if loaded.reads_pooled(position) else (one.layer,)
            read = [[replace(each, layer=layer).states(["a cat"]) for layer in layers] for each in (one, other)]
            assert [torch.equal(*states) for states in zip(*read, strict=True)] == [not is_own] * len(layers)
        if architecture:
            pooled = replace(after.loaded.text_encoders[1], layer=None).states(["a cat"])[0, 0]
            expected = tuned.model.encode_text(encoder.tokenizer(["a cat"]))[0]
            torch.testing.assert_close(pooled, expected, atol=1e-3, rtol=1e-3)


def test_what_cannot_be_carried_is_said(stable_diffusion, pocket):
    loaded, encoder = stable_diffusion
    with pytest.raises(ModelError, match="CLIPErase's edit of “pocket” cannot be carried"):
        apply_to_pipeline(loaded, pocket, tuned=pocket)
    with pytest.raises(ModelError, match="can be pulled back only where “pocket” itself drives"):
        apply_to_pipeline(loaded, pocket, closed_form=erasure_of(pocket), carry_method="pull_back")
    with pytest.raises(ParameterError, match="carry method is 'sideways'"):
        apply_to_pipeline(loaded, encoder, carry_method="sideways")
    again = apply_to_pipeline(loaded, pocket, closed_form=erasure_of(pocket), vocabulary=FEW)
    assert "solved again" in again.notices[0]
    untouched = with_weights(encoder, {"logit_scale": torch.tensor(1.0)}, name="tuned")
    assert (
        "trained nothing that this diffusion model reads"
        in apply_to_pipeline(loaded, encoder, tuned=untouched).notices[0]
    )


def test_a_synonym_that_is_not_erased_is_drawn_as_before(loaded: LoadedPipeline, pocket, vocabulary):
    """What stands apart from the concept's name in the word's states is left of it, within what retaining lets pass."""
    moved = {}
    for synonyms in (True, False):
        asked = CCUPSettings(synonyms=synonyms)
        erasure = ccup.erase(pocket, select("cat", vocabulary=vocabulary), asked, vocabulary=vocabulary)
        asked = {"carry_method": "ridge", "vocabulary": vocabulary}
        edited_pipeline = apply_to_pipeline(loaded, pocket, closed_form=erasure, **asked)
        before, after = (p.text_encoders[0].states(["a cat", "a pussycat"]) for p in (loaded, edited_pipeline.loaded))
        moved[synonyms] = (after - before).flatten(1).norm(dim=1)
        assert not edited_pipeline.notices
    assert moved[False][0] > 0.9 * moved[True][0], "the name goes either way"
    assert moved[False][1] < 0.9 * moved[True][1]


def test_what_a_drawing_does_not_follow_is_told(loaded: LoadedPipeline, pocket, vocabulary):
    selection = select("cat", vocabulary=vocabulary)
    asked = CCUPSettings("consistent", lam=50.0)
    erasure = ccup.erase(pocket, selection, asked, vocabulary=vocabulary)
    answer = apply_to_pipeline(loaded, pocket, closed_form=erasure, vocabulary=vocabulary).notices
    assert [notice for notice in answer if "follows concepts, retain set, strength and synonyms" in notice]
    assert not apply_to_pipeline(loaded, pocket, closed_form=erasure, carry_method="pull_back").notices


def test_exported_attention_in_a_stock_pipeline_draws_the_apps_image(
    loaded: LoadedPipeline, pocket, vocabulary, tmp_path
):
    erasure = ccup.erase(pocket, select("cat", vocabulary=vocabulary), vocabulary=vocabulary)
    edited_pipeline = apply_to_pipeline(loaded, pocket, closed_form=erasure, carry_method="ridge")
    wanted = run_to_end(draw(loaded, edited_pipeline.loaded, DRAWING)).after[0]
    save_attention(tmp_path / "edit.safetensors", edited_pipeline)

    from diffusers import StableDiffusionPipeline

    stock = StableDiffusionPipeline.from_pretrained(loaded.known.source, dtype=torch.float32)
    stock.set_progress_bar_config(disable=True)
    _, unexpected = stock.unet.load_state_dict(load_file(tmp_path / "edit.safetensors"), strict=False)
    assert unexpected == []
    noise = torch.randn((1, 12, 8, 8), generator=torch.Generator().manual_seed(3))
    drawn = stock(DRAWING.prompt, latents=noise, num_inference_steps=2, guidance_scale=3.0).images[0]
    largest = max(high for _, high in ImageChops.difference(drawn, wanted).getextrema())
    assert largest <= 2, "rounding apart, the pictures are equal"


def test_pulled_back_the_embedded_model_sees_ccups_own_edit_of_the_text(pocket, loaded: LoadedPipeline, vocabulary):
    erasure = ccup.erase(pocket, select("cat", vocabulary=vocabulary), vocabulary=vocabulary)
    edited_pipeline = apply_to_pipeline(loaded, pocket, closed_form=erasure, carry_method="pull_back")
    tokens = pocket.tokenizer(["a cat"])
    last = tokens.argmax(-1)
    states = edited_pipeline.loaded.text_encoders[0].states(["a cat"])[0, last]
    text = load_clip("pocket", device="cpu").model.encode_text(tokens)
    torch.testing.assert_close(
        states @ pocket.model.text_projection, erasure.projection.on_texts(text), atol=1e-3, rtol=1e-3
    )


def test_behind_the_gate_other_prompts_are_the_same_and_all_that_is_read_of_the_concept_changes(stable_diffusion):
    loaded, encoder = stable_diffusion
    selection = select("cat", vocabulary=FEW)
    erasure = replace(erasure_of(encoder), selection=selection)
    edited = apply_to_pipeline(loaded, encoder, closed_form=erasure, carry_method="gated", vocabulary=FEW)
    asked = {"device": "cpu", "num_images_per_prompt": 1, "do_classifier_free_guidance": True}
    for prompt, same in (("a pizza", True), ("a cat", False)):
        read = [p.pipeline.encode_prompt(prompt=prompt, **asked) for p in (loaded, edited.loaded)]
        conditional = [(before, after) for before, after in list(zip(*read, strict=True))[::2] if before is not None]
        assert [torch.equal(*pair) for pair in conditional] == [same] * len(conditional)
    with pytest.raises(ModelError, match="gated map is not linear"):
        baked_attention(edited)
