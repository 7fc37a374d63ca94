"""``python -m unlearn audit``: attack an erasure and print what leaked."""

from __future__ import annotations

import argparse
from typing import Any

import unlearn
from unlearn.cli.arguments import add_device, add_erasure, add_images, add_model, names_of
from unlearn.cli.output import Result, notice_printer, progress_bar
from unlearn.erasers.settings import FORMS
from unlearn.errors import ParameterError

HELP = "Attack an erasure: is the concept gone, or can it be recovered?"
EXAMPLES = ("audit --erasure erased", "audit --forget guitar --method leace --json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_device(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    add_erasure(what)
    what.add_argument("--forget", nargs="+", metavar="CONCEPT", help="concepts to erase first, with --method")
    parser.add_argument("--method", help="as `erase` takes it, with --forget (default: ccup)")
    parser.add_argument("--form", choices=FORMS, help="of CCUP, with --forget (default: paired)")
    parser.add_argument("--concept", help="the erased concept to attack (default: the first)")
    add_images(parser, "to attack with")
    parser.add_argument("--seed", type=int, default=0, help="of methods and attacks that draw (default: 0)")


def run(arguments: argparse.Namespace) -> Result:
    asked = arguments.method is not None or arguments.form is not None
    if arguments.erasure is not None and asked:
        raise ParameterError("A saved erasure has a method already; give --method and --form with --forget.")
    clip = unlearn.load_clip(arguments.model, device=arguments.device)
    shared: dict[str, Any] = {"images": arguments.images, "seed": arguments.seed}
    with progress_bar("attacking", quiet=arguments.quiet) as show:
        if arguments.erasure is not None:
            erasure = unlearn.load(arguments.erasure, clip)
        else:
            options = shared | ({} if arguments.form is None else {"form": arguments.form})
            names = names_of(arguments.forget)
            erasure = unlearn.erase(clip, names, method=arguments.method or "ccup", on_progress=show, **options)
        result = unlearn.audit(
            clip, erasure, arguments.concept, on_progress=show, on_notice=notice_printer(arguments), **shared
        )
    return Result(str(result), result.to_dict())
