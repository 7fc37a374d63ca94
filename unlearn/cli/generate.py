"""``python -m unlearn generate``: draw images from the same seeds before and after an erasure."""

from __future__ import annotations

import argparse

import unlearn
from unlearn.cli.arguments import add_device, add_erasure, add_out, names_of
from unlearn.cli.output import Result, notice_printer, progress_bar
from unlearn.erasers.settings import CARRY_METHODS
from unlearn.errors import ConceptError, ParameterError
from unlearn.files.writing import require_folder

HELP = "Draw images before and after an erasure, with the same seeds."
EXAMPLES = ('generate --prompt "a guitar and a pizza" --forget guitar -o drawn --export',)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="pocket", metavar="NAME", help="pipeline to draw with (default: pocket)")
    parser.add_argument(
        "--clip", metavar="NAME", help="CLIP that is edited (default: the one that drives the pipeline)"
    )
    parser.add_argument("--prompt", required=True, help="what to draw")
    parser.add_argument("--forget", nargs="+", default=[], metavar="CONCEPT", help="concepts to erase with CCUP")
    add_erasure(parser, ", instead of --forget")
    parser.add_argument("--strength", type=float, metavar="A", help="0 to 1, with --forget (default: 1)")
    parser.add_argument(
        "--carry-method",
        default="gated",
        help=f"how CCUP reaches the pipeline: {', '.join(CARRY_METHODS)} (default: gated)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first image; the next takes the next (default: 0)")
    parser.add_argument("--n", type=int, default=4, metavar="N", help="images (default: 4)")
    parser.add_argument("--steps", type=int, metavar="N", help="denoising steps (default: the pipeline's)")
    parser.add_argument("--guidance", type=float, metavar="G", help="guidance scale (default: the pipeline's)")
    add_out(parser, "DIR", "folder for before_0.png, after_0.png, …, generation.json")
    add_device(parser)
    parser.add_argument(
        "--export",
        action="store_true",
        help="also write the edit for other tools: token_gate.safetensors, or cross_attention.safetensors with ridge",
    )


def run(arguments: argparse.Namespace) -> Result:
    require_folder(arguments.out)
    _require_one_erasure(arguments)
    pipeline = unlearn.load_pipeline(arguments.model, device=arguments.device)
    clip = unlearn.load_clip(arguments.clip or pipeline.known.clips[0], device=arguments.device)
    options = {} if arguments.strength is None else {"strength": arguments.strength}
    saved = arguments.erasure is not None
    erasure = (
        unlearn.load(arguments.erasure, clip) if saved else unlearn.erase(clip, names_of(arguments.forget), **options)
    )
    with progress_bar("drawing", quiet=arguments.quiet) as show:
        generation = unlearn.generate(
            arguments.prompt,
            erasure,
            clip,
            pipeline=pipeline,
            carry_method=arguments.carry_method,
            seed=arguments.seed,
            n=arguments.n,
            steps=arguments.steps,
            guidance=arguments.guidance,
            on_progress=show,
        )
    record = generation.save(arguments.out, export=arguments.export)
    for notice in generation.notices:
        notice_printer(arguments)(notice)
    return Result(f"{generation}\nWrote {arguments.out}".strip(), {"out": str(arguments.out)} | record)


def _require_one_erasure(arguments: argparse.Namespace) -> None:
    """Raise unless either concepts or a saved erasure were given.

    Raises:
        ConceptError: both were given, or neither.
        ParameterError: a strength was given for a saved erasure.
    """
    if arguments.forget and arguments.erasure is not None:
        raise ConceptError("Both concepts and a saved erasure were given; give one of them.")
    if arguments.erasure is not None and arguments.strength is not None:
        raise ParameterError("A saved erasure has a strength already; give one with the concepts to erase.")
    if not arguments.forget and arguments.erasure is None:
        raise ConceptError("Nothing is to be erased; name a concept, or what `erase` wrote.")
