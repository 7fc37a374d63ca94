"""Started by ``accelerate launch`` in test_cliperase: trains the toy model and writes what came of it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from safetensors.torch import save_file

from helpers.toy import COLOURS, toy_gallery, toy_model
from unlearn.concepts.prompts import Concept
from unlearn.concepts.selection import Vocabulary, select
from unlearn.erasers import cliperase
from unlearn.erasers.settings import CLIPEraseSettings
from unlearn.finetuning.processes import Processes
from unlearn.progress import run_to_end

SETTINGS = CLIPEraseSettings(trainable="projections", steps=5, batch_size=5, learning_rate=1e-3, precision="float32")


def train_toy() -> dict[str, torch.Tensor]:
    """Five steps on the untrained toy model."""
    gallery = toy_gallery.__wrapped__()
    vocabulary = Vocabulary(tuple(Concept(name) for name in COLOURS))
    run = cliperase.train(
        toy_model(),
        select("apple", vocabulary=vocabulary),
        SETTINGS,
        galleries=[gallery.train],
        probe=gallery.test,
        vocabulary=vocabulary,
    )
    return dict(run_to_end(run).delta)


if __name__ == "__main__":
    delta = train_toy()
    processes = Processes.current(torch.device("cpu"))
    save_file(delta, f"{sys.argv[1]}/{processes.rank}-of-{processes.count}.safetensors")
