"""The benchmark of methods: what it tells a fine-tuned model is what the model would have computed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

from unlearn.bench.methods import Bench
from unlearn.clip.encoders import weights_checksum
from unlearn.concepts.selection import TEMPLATES, select
from unlearn.data.gallery import Gallery
from unlearn.erasers import cliperase
from unlearn.erasers.methods import COMPARED
from unlearn.erasers.settings import CLIPEraseSettings
from unlearn.finetuning.sources import TrainingData
from unlearn.jobs import run_to_end

ROOT = Path(__file__).parents[2]


def bench_of(toy, toy_gallery, toy_vocabulary) -> Bench:
    data = TrainingData(toy_gallery.train, toy_gallery.test, toy_vocabulary)
    return Bench(toy, data, weights_checksum(toy.model))


def test_embeddings_are_the_models_own(toy, toy_gallery, toy_vocabulary):
    bench = bench_of(toy, toy_gallery, toy_vocabulary)
    run = cliperase.train(
        toy,
        select("frog", vocabulary=toy_vocabulary),
        CLIPEraseSettings.of(steps=5),
        galleries=[toy_gallery.train],
        probe=toy_gallery.test,
        vocabulary=toy_vocabulary,
    )
    erasure = run_to_end(run)
    told, own = erasure.apply(toy), erasure.apply(toy)
    bench._spare_encoding(told)
    afresh = Gallery("the same pictures", toy_gallery.test.images)
    torch.testing.assert_close(told.image_features(bench.data.test), own.image_features(afresh), atol=1e-5, rtol=0)
    names = toy_vocabulary.names
    torch.testing.assert_close(
        told.text_features(names, TEMPLATES), own.text_features(names, TEMPLATES), atol=1e-5, rtol=0
    )


def test_every_method_that_does_not_train_is_measured(toy, toy_gallery, toy_vocabulary):
    bench = bench_of(toy, toy_gallery, toy_vocabulary)
    measured = {name: bench.measure(method, ("frog",), 0) for name, method in COMPARED.items() if not method.trains}
    assert measured["none"]["forget"] == [1.0, 1.0]
    assert measured["none"]["bytes"] == 0 < measured["ccup"]["bytes"]
    assert measured["nullspace"]["forget"][1] == 0.0
    assert measured["ccup"]["forget"][1] <= 0.25, "about chance among six labels"
    assert len(measured["ccup"]["neighbours"]) == 5


def test_the_peak_counts_what_is_freed_again():
    code = """
import time
import torch
from unlearn.bench.methods import peak_memory
with peak_memory(every=0.001) as peak:
    block = torch.ones(30_000_000)
    time.sleep(0.2)  # for the watcher to have its turn on a busy machine
    del block
assert peak() >= 100, peak()
"""
    # In a process of its own: what other tests left in this one may go meanwhile.
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=120)
