"""CLIPErase on the command line: its arguments, a progress bar, checkpoints, several processes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from unlearn.erasers.settings import FORGETTING, PRECISIONS, TRAINABLE

if TYPE_CHECKING:
    from unlearn.erasers.erasure import AnyErasure
    from unlearn.erasers.methods import Fitting

#: Fields of CLIPErase's settings that are arguments; where none is given its preset holds.
NUMBERS = {
    "steps": (int, "optimiser steps"),
    "batch_size": (int, "pairs of the forget and of the retain set in a step"),
    "learning_rate": (float, "learning rate of Adam"),
    "retention_weight": (float, "λ₁, weight of the retention module"),
    "forgetting_weight": (float, "λ₂, weight of the forgetting module"),
    "consistency_weight": (float, "λ₃, weight of the consistency module"),
    "lora_rank": (int, "rank of LoRA's adapters"),
    "eval_every": (int, "steps from one measurement, and checkpoint, to the next"),
}
CHOICES = {
    "trainable": (TRAINABLE, "what trains; the first is the default"),
    "forgetting": (FORGETTING, "form of the forgetting module; the first is the paper's"),
    "precision": (PRECISIONS, "of the towers' arithmetic"),
}


def add_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--pictures",
        default="bundled",
        metavar="SOURCE",
        help="to train and to measure on: bundled (default), an ImageFolder, or a public data set by name, as cifar100",
    )
    group.add_argument("--checkpoint", type=Path, metavar="FILE", help="save the run there, or resume it from there")
    for name, (choices, text) in CHOICES.items():
        group.add_argument(_flag(name), choices=choices, help=text)
    for name, (kind, text) in NUMBERS.items():
        group.add_argument(_flag(name), type=kind, metavar="N", help=text)


def watched(run: Fitting, *, quiet: bool = False) -> AnyErasure:
    """Take a method's run to its end under a progress bar."""
    from tqdm import tqdm

    from unlearn.erasers.cliperase import Record
    from unlearn.jobs import Progress, run_to_end

    part = ""
    with tqdm(disable=quiet) as bar:

        def show(progress: Progress) -> None:
            nonlocal part
            what = "CLIPErase" if isinstance(progress, Record) else "encoding pictures"
            if isinstance(progress, Record):
                bar.set_postfix(
                    loss=f"{progress.loss:.3f}",
                    forget=f"{progress.forget_accuracy:.1%}",
                    retain=f"{progress.retain_accuracy:.1%}",
                    refresh=False,
                )
            if what != part:
                part = what
                bar.set_description(what, refresh=False)
                bar.reset(progress.total)  # a new part has a rate of its own
            bar.update(progress.done - bar.n)

        return run_to_end(run, show)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
