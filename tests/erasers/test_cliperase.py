"""CLIPErase on a toy model that really learns: what it reaches, what it leaves alone, how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers.two_processes import train_toy
from helpers.waiting import finish
from PIL import Image
from safetensors.torch import load_file
from torch.nn import functional as F

from unlearn.clip.encoders import weights_checksum
from unlearn.concepts.prompts import TEMPLATES
from unlearn.concepts.selection import select
from unlearn.data.gallery import Gallery, GalleryImage
from unlearn.erasers import ccup, cliperase
from unlearn.erasers.settings import TRAINABLE, CLIPEraseSettings
from unlearn.errors import (
    ConceptError,
    ErasureFileError,
    ImageError,
    JobError,
    ModelError,
    OutOfTimeError,
    ParameterError,
)
from unlearn.evaluation.zero_shot import evaluate_zero_shot
from unlearn.export.edit_file import load_edit, record_of, save_edit
from unlearn.finetuning.batches import Embedded
from unlearn.finetuning.pairs import forget_and_retain, hold_out
from unlearn.finetuning.prepared import encoding
from unlearn.progress import within

SETTINGS = CLIPEraseSettings("last_blocks", steps=40, batch_size=6, learning_rate=1e-3)


@pytest.fixture
def start(toy, toy_gallery, toy_vocabulary):
    """Begin a run that erases “apple” from the toy model; anything can be replaced."""

    def start(settings=SETTINGS, *, encoder=toy, forget="apple", retain=None, galleries=None, **others):
        return cliperase.train(
            encoder,
            select(forget, retain, vocabulary=toy_vocabulary),
            settings,
            **{"galleries": galleries or [toy_gallery.train], "probe": toy_gallery.test, **others},
            vocabulary=toy_vocabulary,
        )

    return start


@pytest.mark.parametrize("trainable", TRAINABLE)
def test_forgets_and_retains_on_images_never_trained_on(toy, toy_gallery, start, trainable):
    before = evaluate_zero_shot(toy, toy_gallery.test, forget=["apple"])
    assert before.forget.top1 == before.retain.top1 == 1.0
    _, erasure = finish(start(replace(SETTINGS, trainable=trainable)))
    after = evaluate_zero_shot(erasure.apply(toy), toy_gallery.test, forget=["apple"])
    assert after.forget.top1 == 0.0
    assert after.retain.top1 >= 0.85


def test_without_retention_and_consistency_the_rest_suffers(toy, toy_gallery, start):
    alone = replace(SETTINGS, retention_weight=0.0, consistency_weight=0.0, learning_rate=3e-3)
    retained = [
        evaluate_zero_shot(finish(start(s))[1].apply(toy), toy_gallery.test, forget=["apple"]).retain.top1
        for s in (alone, replace(SETTINGS, learning_rate=3e-3))
    ]
    assert retained[0] < retained[1]


def test_gradient_ascent_forgets_too(toy, toy_gallery, start):
    _, erasure = finish(start(replace(SETTINGS, forgetting="gradient_ascent")))
    assert evaluate_zero_shot(erasure.apply(toy), toy_gallery.test, forget=["apple"]).forget.top1 == 0.0


def test_records_tell_of_every_step(toy, toy_gallery, start):
    seen, _ = finish(start(replace(SETTINGS, eval_every=15)))
    records = [r for r in seen if isinstance(r, cliperase.TrainingStep)]
    assert [r.done for r in records] == list(range(41))
    assert (records[0].forget_accuracy, records[0].retain_accuracy) == (1.0, 1.0)
    assert records[-1].forget_accuracy == 0.0
    assert records[14].forget_accuracy == records[0].forget_accuracy  # no probe in between
    assert records[-1].forgetting < records[1].forgetting
    fractions = [r.fraction for r in seen]
    assert fractions == sorted(fractions)
    assert fractions[-1] < 1, "the new weights are still to be measured"
    for r in records[1:]:
        assert r.loss == pytest.approx(r.retention + 3 * r.forgetting + 3 * r.consistency, rel=1e-4)


def test_preparation_is_reported_once_and_then_reused(toy_gallery, start, toy):
    fresh = replace(toy)
    parts = [Gallery(g.name, g.images) for g in (toy_gallery.train, toy_gallery.test)]
    first, again = (finish(start(encoder=fresh, galleries=[parts[0]], probe=parts[1]))[0] for _ in range(2))
    preparations = [p for p in first if not isinstance(p, cliperase.TrainingStep)]
    assert preparations[-1] == within(0.0, cliperase.ENCODED)(encoding(72, 72))
    assert not [p for p in again if not isinstance(p, cliperase.TrainingStep)]


def test_the_base_model_stays_whatever_happens(toy, start):
    before = weights_checksum(toy.model)
    finish(start())
    cancelled = start()
    for _ in range(10):
        next(cancelled)
    cancelled.close()
    start().close()  # cancelled before it began
    assert weights_checksum(toy.model) == before
    assert not any(p.requires_grad for p in toy.model.parameters())


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(start):
    short = replace(SETTINGS, steps=3)
    one, same, other = (finish(start(s))[1].delta for s in (short, short, replace(short, seed=1)))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_names_are_learned_in_the_sentences_given(toy_gallery, toy_vocabulary):
    selection = select("apple", vocabulary=toy_vocabulary)
    forget, retain = forget_and_retain(selection, [toy_gallery.train], ("one sees a {}",))
    assert set(forget.texts) == {"one sees an apple", "a drawing of a apple"}
    assert "one sees a frog" in retain.texts


def test_a_run_whose_time_is_up_is_one_of_fewer_steps(start):
    run = start(replace(SETTINGS, steps=40))
    while not (isinstance(progress := next(run), cliperase.TrainingStep) and progress.done == 3):
        pass
    with pytest.raises(StopIteration) as stop:
        run.throw(OutOfTimeError("It was ended."))
    cut, (_, short) = stop.value.value, finish(start(replace(SETTINGS, steps=3)))
    assert cut.settings == short.settings
    assert all(torch.equal(cut.delta[name], short.delta[name]) for name in short.delta)
    with pytest.raises(OutOfTimeError):
        start().throw(OutOfTimeError("It was ended."))  # there is nothing yet


def test_bfloat16_goes_the_same_way(toy, toy_gallery, start):
    _, erasure = finish(start(replace(SETTINGS, precision="bfloat16")))
    assert all(tensor.dtype == torch.float32 for tensor in erasure.delta.values())
    after = evaluate_zero_shot(erasure.apply(toy), toy_gallery.test, forget=["apple"])
    assert (after.forget.top1, after.retain.top1) == (0.0, 1.0)


def test_ccup_stacks_on_it_and_comes_off_again(toy, toy_gallery, toy_vocabulary, start):
    finetuned = finish(start())[1].apply(toy)
    alone = finetuned.image_features(toy_gallery.test)
    selection = select("frog", vocabulary=toy_vocabulary)
    stacked = ccup.erase(finetuned, selection, vocabulary=toy_vocabulary).apply(finetuned)
    report = evaluate_zero_shot(stacked, toy_gallery.test, forget=["frog", "apple"])
    assert report.forget.top1 == 0.0
    assert report.retain.top1 >= 0.9
    assert torch.equal(finetuned.image_features(toy_gallery.test), alone)


def test_read_back_from_its_file_it_is_the_same(toy, start, tmp_path):
    _, erasure = finish(start(replace(SETTINGS, steps=2)))
    save_edit(tmp_path / "edit", erasure, record_of(toy, erasure, metrics={}))
    again, _ = load_edit(tmp_path / "edit", toy)
    assert again.settings == erasure.settings
    assert torch.equal(again.apply(toy).encode_text(["apple"]), erasure.apply(toy).encode_text(["apple"]))


# Resuming, and several processes


def test_a_resumed_run_ends_in_the_same_weights(start, tmp_path):
    settings = replace(SETTINGS, steps=8, eval_every=2)
    _, straight = finish(start(settings))
    path = tmp_path / "run.safetensors"
    interrupted = start(settings, checkpoint=path)
    for record in interrupted:
        if isinstance(record, cliperase.TrainingStep) and record.done == 5:
            break
    interrupted.close()
    seen, resumed = finish(start(settings, checkpoint=path))
    assert next(r for r in seen if isinstance(r, cliperase.TrainingStep)).done == 4
    for name, tensor in straight.delta.items():
        torch.testing.assert_close(resumed.delta[name], tensor, atol=1e-7, rtol=0)


def test_a_checkpoint_of_another_run_is_refused(start, tmp_path):
    path = tmp_path / "run.safetensors"
    finish(start(replace(SETTINGS, steps=2), checkpoint=path))
    with pytest.raises(ErasureFileError, match="another file"):
        finish(start(replace(SETTINGS, steps=3), checkpoint=path))
    path.write_bytes(b"cut off")
    with pytest.raises(ErasureFileError, match="cannot be read"):
        finish(start(replace(SETTINGS, steps=2), checkpoint=path))


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path):
    root = Path(__file__).parents[2]
    command = "-m accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1 --main_process_port 0"
    subprocess.run(
        [
            *(sys.executable, *command.split(), "--mixed_precision", "no", "--dynamo_backend", "no"),
            *(str(Path(__file__).parents[1] / "helpers" / "two_processes.py"), str(tmp_path)),
        ],
        check=True,
        timeout=120,
        env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)},
    )
    alone = train_toy()
    for rank in range(2):
        together = load_file(tmp_path / f"{rank}-of-2.safetensors")
        for name, tensor in alone.items():
            torch.testing.assert_close(together[name], tensor, atol=1e-6, rtol=0)


# Data


def test_ten_uploads_of_a_new_concept_are_enough(toy, toy_gallery, start):
    images = [
        GalleryImage("my mug", "mine", lambda i=i: Image.new("RGB", (32, 32), (90, 20 * i, 90))) for i in range(10)
    ]
    uploads = hold_out(Gallery("uploads", tuple(images)))
    assert (len(uploads.train), len(uploads.test)) == (8, 2)
    seen, erasure = finish(start(forget="my mug", galleries=[uploads.train, toy_gallery.train], probe=uploads.test))
    assert seen[-1].forgetting < -0.5
    assert seen[-1].forget_accuracy == 0.0
    assert evaluate_zero_shot(erasure.apply(toy), toy_gallery.test).overall.top1 >= 0.9


def test_one_image_is_enough_to_start(toy_gallery, start):
    apple = next(p for p in toy_gallery.train if p.concept == "apple")
    rest = toy_gallery.train.where(lambda p: p.concept != "apple")
    seen, _ = finish(start(galleries=[Gallery("one", (apple,)), rest]))
    assert seen[-1].forgetting < 0


def test_retain_batches_show_a_concept_once(toy_gallery, toy_vocabulary):
    _, retain = forget_and_retain(select("apple", vocabulary=toy_vocabulary), [toy_gallery.train], TEMPLATES)
    drawn = retain.draw(32, torch.Generator().manual_seed(0), distinct=True)
    assert len({retain.concepts[image] for image, _ in drawn}) == len(drawn) == 5
    assert all("frog" not in retain.texts[text] for p, text in drawn if retain.concepts[p] != 0)


def test_no_image_of_the_concept(toy_gallery, start):
    with pytest.raises(ImageError, match="no picture of “dragon”"):
        start(forget="dragon")
    with pytest.raises(ImageError, match="retained"):
        start(retain=["dragon"])


def test_forget_and_retain_overlap(start):
    with pytest.raises(ConceptError, match="to be erased and to be retained"):
        start(forget="apple", retain=["apple", "frog"])


@pytest.mark.parametrize(
    "wrong",
    [
        *({"learning_rate": value} for value in (0, -1, 10, float("nan"))),
        *({"steps": value} for value in (0, -1, 2.5, 10**9)),
        *({"batch_size": value} for value in (0, 10**6)),
        {"forgetting_weight": -1.0},
        {"trainable": "everything"},
        {"forgetting": "magic"},
        {"precision": "int8"},
        {"seed": -1},
    ],
)
def test_settings_that_cannot_be_used(wrong):
    name = next(iter(wrong)).replace("_", " ")
    with pytest.raises(ParameterError, match=f"^{name} is"):
        CLIPEraseSettings(**wrong)


def test_presets_give_way_to_what_is_given():
    assert CLIPEraseSettings.of() == CLIPEraseSettings()
    assert CLIPEraseSettings.of("projections").learning_rate != CLIPEraseSettings.learning_rate
    assert CLIPEraseSettings.of("projections", learning_rate=0.01).learning_rate == 0.01
    with pytest.raises(ParameterError, match="everything"):
        CLIPEraseSettings.of("everything")


def test_a_loss_that_is_not_finite_ends_the_run(toy, start, monkeypatch):
    before = weights_checksum(toy.model)
    monkeypatch.setattr(cliperase, "forgetting_loss", lambda images, texts: images.sum() * float("nan"))
    with pytest.raises(JobError, match="nan at step 1"):
        finish(start())
    assert weights_checksum(toy.model) == before


def test_an_edit_of_another_architecture_does_not_apply(toy, start):
    _, erasure = finish(start(replace(SETTINGS, steps=1)))
    misfit = replace(erasure, delta={"visual.proj": torch.zeros(3, 3)})
    with pytest.raises(ModelError, match=r"visual\.proj"):
        misfit.apply(toy)


def test_consistency_is_how_far_the_edited_embeddings_are_from_the_original_ones():
    """KL(original ‖ edited) of both modalities, worked out by torch; exchanged it is another number."""

    def rows(seed):
        return F.normalize(torch.randn(5, 8, generator=torch.Generator().manual_seed(seed)), dim=-1)

    def kl(p, q):
        p, q = (torch.distributions.Categorical(logits=8**0.5 * each) for each in (p, q))
        return torch.distributions.kl_divergence(p, q).mean().item()

    forget = Embedded(rows(0), rows(1), rows(2), rows(3))
    images, texts, original_images, original_texts = (rows(seed) for seed in (4, 5, 6, 7))
    retain = Embedded(images, texts, original_images, original_texts)
    found = cliperase._losses(forget, retain, SETTINGS, 10.0)["consistency"].item()
    assert found == pytest.approx(kl(original_images, images) + kl(original_texts, texts), rel=1e-5)
    assert kl(texts, original_texts) != pytest.approx(kl(original_texts, texts), rel=1e-2)
    assert kl(images, original_images) != pytest.approx(kl(original_images, images), rel=1e-2)
