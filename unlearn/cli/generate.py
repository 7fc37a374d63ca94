"""``python -m unlearn generate``: the same seeds drawn before and after an erasure."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from unlearn.cli.arguments import add_erasure, names_of
from unlearn.errors import ConceptError, ParameterError
from unlearn.files.writing import require_folder

if TYPE_CHECKING:
    from unlearn.clip.encoders import OpenClipEncoder
    from unlearn.diffusion.apply_edits import EditedPipeline
    from unlearn.diffusion.pipelines import LoadedPipeline

HELP = "Draw pictures before and after an erasure, with the same seeds."


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
        "--carry-method", default="ridge", help="how CCUP reaches the pipeline: ridge (default) or pull_back"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first picture; the next takes the next (default: 0)"
    )
    parser.add_argument("--n", type=int, default=4, metavar="N", help="pictures (default: 4)")
    parser.add_argument("--steps", type=int, metavar="N", help="denoising steps (default: the pipeline's)")
    parser.add_argument("--guidance", type=float, metavar="G", help="guidance scale (default: the pipeline's)")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="before_0.png, after_0.png, …, generation.json"
    )
    parser.add_argument(
        "--export", action="store_true", help="also write cross_attention.safetensors, the edit for other tools"
    )


def run(arguments: argparse.Namespace) -> None:
    # Imported here so that --help answers at once.
    from tqdm import tqdm

    from unlearn.clip.loading import load_clip
    from unlearn.diffusion.drawing import Drawing, draw
    from unlearn.diffusion.pipelines import load_pipeline
    from unlearn.diffusion.records import judged, save_pair
    from unlearn.jobs import run_to_end

    require_folder(arguments.out)
    loaded = load_pipeline(arguments.model)
    drawing = Drawing(
        arguments.prompt,
        arguments.seed,
        loaded.known.steps if arguments.steps is None else arguments.steps,
        loaded.known.guidance if arguments.guidance is None else arguments.guidance,
        arguments.n,
    )
    encoder = load_clip(arguments.clip or loaded.known.clips[0])
    edited_pipeline, erased = _carried(arguments, loaded, encoder)
    with tqdm(total=drawing.steps, desc="drawing", unit="step") as bar:
        pair = run_to_end(draw(loaded, edited_pipeline.loaded, drawing), lambda step: bar.update(step.done - bar.n))
    detections = judged(pair, erased, encoder)
    save_pair(arguments.out, pair, edited_pipeline, detections, export=arguments.export)
    for notice in (*edited_pipeline.notices, *pair.notices):
        print(notice)
    for before, after in zip(*detections, strict=True):
        if before.seen is not None and after.seen is not None:
            counts = f"{sum(before.seen)} of {arguments.n} before, {sum(after.seen)} after"
            print(f"{before.concept}: seen by the judge in {counts}")
    print(f"Wrote {arguments.out}")


def _carried(
    arguments: argparse.Namespace, loaded: LoadedPipeline, encoder: OpenClipEncoder
) -> tuple[EditedPipeline, tuple[str, ...]]:
    """``loaded`` with CCUP of the concepts asked for, or with a saved erasure; and the names of what is erased."""
    from unlearn.concepts.selection import load_vocabulary, select
    from unlearn.diffusion.apply_edits import apply_to_pipeline
    from unlearn.diffusion.records import apply_erasure_to_pipeline
    from unlearn.erasers import ccup
    from unlearn.erasers.settings import CCUPSettings
    from unlearn.export.saved import load_erasure

    if arguments.forget and arguments.erasure is not None:
        raise ConceptError("Both concepts and a saved erasure were given; give one of them.")
    if arguments.erasure is not None:
        if arguments.strength is not None:
            raise ParameterError("A saved erasure has a strength already; give one with the concepts to erase.")
        saved = load_erasure(arguments.erasure, encoder)
        return apply_erasure_to_pipeline(
            loaded, encoder, saved, carry_method=arguments.carry_method
        ), saved.selection.forget_names
    if not arguments.forget:
        raise ConceptError("Nothing is to be erased; name a concept, or what `erase` wrote.")
    vocabulary = load_vocabulary()
    selection = select(names_of(arguments.forget), vocabulary=vocabulary)
    settings = CCUPSettings() if arguments.strength is None else CCUPSettings(strength=arguments.strength)
    erasure = ccup.erase(encoder, selection, settings, vocabulary=vocabulary)
    return apply_to_pipeline(
        loaded, encoder, closed_form=erasure, carry_method=arguments.carry_method
    ), selection.forget_names
