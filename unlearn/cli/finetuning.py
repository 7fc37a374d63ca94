"""Arguments of CLIPErase."""

from __future__ import annotations

import argparse
from pathlib import Path

from unlearn.cli.arguments import add_images, add_options
from unlearn.erasers.settings import CLIPEraseSettings


def add_arguments(group: argparse._ArgumentGroup) -> None:
    add_images(group, "to train and to measure on")
    group.add_argument("--checkpoint", type=Path, metavar="FILE", help="save the run there, or resume it from there")
    add_options(group, CLIPEraseSettings, but=("seed", "strength"))  # CCUP's group has the strength of both
