"""Arguments of CLIPErase."""

from __future__ import annotations

import argparse
from pathlib import Path

from unlearn.cli.arguments import add_images
from unlearn.erasers.settings import FORGETTING, PRECISIONS, TRAINABLE

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
    add_images(group, "to train and to measure on")
    group.add_argument("--checkpoint", type=Path, metavar="FILE", help="save the run there, or resume it from there")
    for name, (choices, text) in CHOICES.items():
        group.add_argument(_flag(name), choices=choices, help=text)
    for name, (kind, text) in NUMBERS.items():
        group.add_argument(_flag(name), type=kind, metavar="N", help=text)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
