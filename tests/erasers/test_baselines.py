"""Baselines keep their promises, and every method of the list ends as an erasure that can be kept."""

from __future__ import annotations

import re
from dataclasses import asdict, replace

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from unlearn.cli import erase as erase_command
from unlearn.clip.encoders import weights_checksum
from unlearn.concepts.selection import select
from unlearn.data.gallery import Gallery
from unlearn.erasers import baselines, ccup, cliperase, methods
from unlearn.erasers.erasure import Erasure
from unlearn.erasers.settings import BaselineSettings, CLIPEraseSettings
from unlearn.errors import ImageError, ParameterError
from unlearn.evaluation.zero_shot import evaluate_zero_shot
from unlearn.export.saved import load_recorded, save_erasure
from unlearn.options import in_words
from unlearn.progress import run_to_end

TRAINS = CLIPEraseSettings(steps=3, batch_size=6, learning_rate=1e-3, eval_every=3)


@pytest.fixture
def task(toy, toy_gallery, toy_vocabulary) -> methods.Task:
    return methods.Task(
        toy, select("apple", vocabulary=toy_vocabulary), toy_vocabulary, toy_gallery.train, toy_gallery.test
    )


def problem(seed: int = 0):
    """600 points, a third of which stand apart along a direction of their own."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(600, 12, generator=generator) @ torch.randn(12, 12, generator=generator) + 3
    labels = torch.arange(600) % 3 == 0
    return features + labels[:, None] * torch.randn(12, generator=generator), labels[:, None]


def test_after_leace_no_linear_classifier_beats_chance():
    features, labels = problem()
    after = baselines.leace(features, labels).on_images(features)
    scores = {
        name: LogisticRegression(max_iter=5000).fit(x.numpy(), labels[:, 0]).score(x.numpy(), labels[:, 0])
        for name, x in (("before", features), ("after", after))
    }
    assert scores["before"] > 0.8, "there was something to erase"
    assert scores["after"] == pytest.approx(2 / 3, abs=0.01), "the majority is all that there is to know"


def test_leace_is_the_library_s_as_a_low_rank_projection():
    from concept_erasure import LeaceEraser

    features, labels = problem(1)
    projection = baselines.leace(features, labels)
    reference = LeaceEraser.fit(features.double(), labels.double(), affine=False, svd_tol=1e-6)
    assert projection.rank == 1
    torch.testing.assert_close(
        projection.on_images(features).double(), reference(features.double()), atol=1e-4, rtol=1e-4
    )
    torch.testing.assert_close(projection.on_images(features), features @ projection.matrix, atol=1e-4, rtol=1e-4)


def test_random_directions_are_an_orthogonal_projection_of_that_rank():
    p = baselines.random_directions(16, 3).matrix.double()
    torch.testing.assert_close(p @ p, p, atol=1e-6, rtol=0)
    torch.testing.assert_close(p, p.T, atol=1e-6, rtol=0)
    assert torch.linalg.matrix_rank(p, atol=1e-5) == 13
    assert torch.equal(baselines.random_directions(16, 3).left, baselines.random_directions(16, 3).left)
    assert not torch.equal(baselines.random_directions(16, 3, seed=1).left, baselines.random_directions(16, 3).left)
    assert baselines.random_directions(4, 9).rank == 4


def test_no_edit_changes_nothing(task):
    edited = run_to_end(methods.fit("none", task)).apply(task.encoder)
    before, after = (encoder.image_features(task.probe) for encoder in (task.encoder, edited))
    torch.testing.assert_close(before, after, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", methods.COMPARED)
def test_every_method_is_fitted_kept_and_read_back(name, task, tmp_path, monkeypatch):
    monkeypatch.setattr(CLIPEraseSettings, "of", classmethod(lambda cls, **given: replace(TRAINS, **given)))
    checksum = weights_checksum(task.encoder.model)
    erasure = run_to_end(methods.COMPARED[name].fit(task))
    assert weights_checksum(task.encoder.model) == checksum
    record = save_erasure(tmp_path / name, task.encoder, erasure, metrics={}, seed=0)
    loaded = load_recorded(tmp_path / name, task.encoder)[0]
    assert type(loaded) is type(erasure)
    assert asdict(loaded.settings) == asdict(erasure.settings) == record["parameters"]
    first, second = (e.apply(task.encoder).image_features(task.probe) for e in (erasure, loaded))
    torch.testing.assert_close(first, second, atol=1e-6, rtol=0)


def test_the_stack_forgets_what_fine_tuning_left(task):
    tuned = run_to_end(
        cliperase.train(task.encoder, task.selection, TRAINS, galleries=[task.training], probe=task.probe)
    )
    both = ccup.on_top(task.encoder, tuned, vocabulary=task.vocabulary)
    accuracy = [
        evaluate_zero_shot(e.apply(task.encoder), task.probe, forget=["apple"]).forget.top1 for e in (tuned, both)
    ]
    assert accuracy[1] < accuracy[0]
    assert set(both.changed_weights(task.encoder)) >= set(tuned.changed_weights(task.encoder))


def test_what_cannot_be_fitted_is_said(task):
    with pytest.raises(ParameterError, match="method is 'magic'; choose one of none, random"):
        methods.fit("magic", task)
    with pytest.raises(ImageError, match="there is none of “apple”"):
        run_to_end(methods.fit("leace", replace(task, training=Gallery("nothing", ()))))
    with pytest.raises(ParameterError, match="kind is 'best'"):
        BaselineSettings("best")


SOME = {"strength": 0.25, "side": "text", "synonyms": False, "lam": 7.0, "retention_weight": 2.0}


@pytest.mark.parametrize("setting", SOME)
@pytest.mark.parametrize("name", methods.COMPARED)
def test_a_setting_takes_effect_or_is_refused(name, setting, task, monkeypatch):
    monkeypatch.setattr(CLIPEraseSettings, "of", classmethod(lambda cls, **given: replace(TRAINS, **given)))
    method, given = methods.COMPARED[name], {setting: SOME[setting]}
    if setting not in method.takes():
        with pytest.raises(ParameterError, match=re.escape(f"{in_words(setting)} has no effect on “{method.label}”")):
            methods.COMPARED[name].fit(task, **given)
        return
    settings = asdict(run_to_end(methods.COMPARED[name].fit(task, **given)).settings)
    parts = settings.values() if name == "stacked" else [settings]
    assert {part[setting] for part in parts if setting in part} == {SOME[setting]}


def test_arguments_are_settings_of_some_method():
    every = {setting for method in methods.METHODS.values() for setting in method.takes()}
    assert set(erase_command.SETTINGS) == every


def test_only_what_trains_has_a_checkpoint_and_only_ccup_goes_on_top(task, tmp_path):
    with pytest.raises(ParameterError, match="checkpoint has no effect"):
        methods.fit("ccup", replace(task, checkpoint=tmp_path / "run"))
    base_erasure = Erasure("cliperase", task.selection, TRAINS, {})
    with pytest.raises(ParameterError, match="cannot be put on top"):
        methods.fit("leace", replace(task, base_erasure=base_erasure))
    on_top = run_to_end(methods.fit("ccup", replace(task, base_erasure=base_erasure), form="nullspace"))
    assert (on_top.method, on_top.closed_form.settings.form) == ("stacked", "nullspace")
