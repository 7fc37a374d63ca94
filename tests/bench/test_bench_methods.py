"""The benchmark of methods: what it tells a fine-tuned model is what the model would have computed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from unlearn.bench.methods import Bench
from unlearn.clip.encoders import weights_checksum
from unlearn.erasers.methods import COMPARED
from unlearn.finetuning.sources import TrainingData

ROOT = Path(__file__).parents[2]


def bench_of(toy, toy_gallery, toy_vocabulary) -> Bench:
    data = TrainingData(toy_gallery.train, toy_gallery.test, toy_vocabulary)
    return Bench(toy, data, weights_checksum(toy.model))


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
