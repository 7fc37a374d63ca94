"""CLIPErase on the command line: its arguments, a progress bar, checkpoints, several processes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from unlearn.cli.arguments import add_options
from unlearn.erasers.settings import CLIPEraseSettings

if TYPE_CHECKING:
    from unlearn.erasers import cliperase
    from unlearn.erasers.erasure import Erasure
    from unlearn.erasers.methods import Fitting


def add_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--pictures",
        default="bundled",
        metavar="SOURCE",
        help="to train and to measure on: bundled (default), an ImageFolder, or a public data set by name, as cifar100",
    )
    group.add_argument("--checkpoint", type=Path, metavar="FILE", help="save the run there, or resume it from there")
    add_options(group, CLIPEraseSettings, but=("seed",))


def watched(run: Fitting, *, quiet: bool = False) -> Erasure:
    """Take a method's run to its end under a progress bar."""
    from tqdm import tqdm

    from unlearn.finetuning.prepared import Preparation
    from unlearn.jobs import run_to_end

    part = ""
    with tqdm(disable=quiet) as bar:

        def show(progress: cliperase.Progress) -> None:
            nonlocal part
            if isinstance(progress, Preparation):
                what, done, total = "encoding pictures", progress.done, progress.total
            else:
                what, done, total = "CLIPErase", progress.step, progress.steps
                bar.set_postfix(
                    loss=f"{progress.loss:.3f}",
                    forget=f"{progress.forget_accuracy:.1%}",
                    retain=f"{progress.retain_accuracy:.1%}",
                    refresh=False,
                )
            if what != part:
                part = what
                bar.set_description(what, refresh=False)
                bar.reset(total)  # a new part has a rate of its own
            bar.update(done - bar.n)

        return run_to_end(run, show)
