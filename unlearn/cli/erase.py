"""``python -m unlearn erase``: erase concepts and write the edited model."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import unlearn
from unlearn import functions
from unlearn.cli.arguments import add_device, add_images, add_model, add_options, add_out, names_of
from unlearn.cli.output import Result, notice_printer, progress_bar
from unlearn.concepts.named_vocabularies import read_list
from unlearn.erasers.settings import CCUPSettings, CLIPEraseSettings
from unlearn.errors import require_choice
from unlearn.files.writing import require_file
from unlearn.functions.arguments import ARGUMENTS
from unlearn.options import options_of

if TYPE_CHECKING:
    from unlearn.attacks.finding import Finding
    from unlearn.clip.encoders import OpenClipEncoder
    from unlearn.functions.recorded import RecordedErasure

#: Settings that are arguments; a setting that has no effect on the method is rejected.
SETTINGS = tuple(name for owner in (CCUPSettings, CLIPEraseSettings) for name in options_of(owner) if name != "seed")
HELP = "Erase concepts from a CLIP model and write the edited checkpoint and a record of it."
EXAMPLES = (
    "erase --forget guitar pizza -o erased",
    "erase --forget guitar --form consistent --strength 0.8 -o weaker",
    "erase --method cliperase --forget guitar -o tuned --checkpoint run.safetensors",
    "erase --forget guitar --on tuned -o both",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_device(parser)
    parser.add_argument(
        "--method",
        default="ccup",
        help=f"how to erase: {', '.join(ARGUMENTS)} (default: ccup)",
    )
    parser.add_argument("--forget", nargs="+", required=True, metavar="CONCEPT", help="concepts to erase")
    retain = parser.add_mutually_exclusive_group()
    retain.add_argument("--retain", nargs="+", metavar="CONCEPT", help="concepts to protect (default: the vocabulary)")
    retain.add_argument(
        "--retain-file", type=Path, metavar="FILE", help="the same, one a line; lines that begin with # are comments"
    )
    parser.add_argument(
        "--vocabulary",
        metavar="NAME",
        help="labels offered and retained: bundled, imagenet, cifar100, a FILE, or words with commas between",
    )
    parser.add_argument("--on", type=Path, metavar="PATH", help="an erasure by CLIPErase, to put CCUP on top of")
    add_out(parser, "DIR", "folder to write to")
    parser.add_argument(
        "--no-measure", dest="measure", action="store_false", help="do not measure accuracy before and after"
    )
    parser.add_argument(
        "--formats",
        nargs="*",
        choices=("open_clip", "transformers"),
        help="forms of the whole model to write (default: open_clip, if weights can hold the edit); the edit and its "
        "record are always written",
    )
    parser.add_argument("--seed", type=int, default=0, help="of CLIPErase's batches; CCUP itself draws nothing")
    parser.add_argument("--audit", action="store_true", help="attack the edit as `audit` does, for the model card")
    parser.add_argument(
        "--push-to-hub",
        metavar="ORG/REPO",
        help="upload the files to a repository on a hub, which is made if needed",
    )
    add_options(parser.add_argument_group("CCUP"), CCUPSettings)
    tuning = parser.add_argument_group("CLIPErase")
    add_images(tuning, "to train and to measure on")
    tuning.add_argument("--checkpoint", type=Path, metavar="FILE", help="save the run there, or resume it from there")
    add_options(tuning, CLIPEraseSettings, but=("seed", "strength"))  # CCUP's group has the strength of both


def run(arguments: argparse.Namespace) -> Result | None:
    functions.require_own(arguments.out)
    if arguments.push_to_hub is not None:
        functions.require_repository(arguments.push_to_hub)
    if arguments.checkpoint is not None:
        require_file(arguments.checkpoint)
    method: Any = require_choice("method", arguments.method, tuple(ARGUMENTS))
    retain = _retained(arguments)
    # Before the model is loaded, because each process has its own GPU.
    processes = functions.Processes.current(functions.pick_device(arguments.device))
    arguments.quiet |= not processes.first
    tell = notice_printer(arguments)
    encoder = unlearn.load_clip(arguments.model, device=arguments.device)
    on = None if arguments.on is None else unlearn.load(arguments.on, encoder)
    options: dict[str, Any] = {name: value for name in SETTINGS if (value := getattr(arguments, name)) is not None}
    with progress_bar("erasing", quiet=arguments.quiet) as show:
        erasure = unlearn.erase(
            encoder,
            names_of(arguments.forget),
            retain=retain,
            method=method,
            images=arguments.images,
            vocabulary=arguments.vocabulary,
            seed=arguments.seed,
            on=on,
            checkpoint=arguments.checkpoint,
            measure=arguments.measure and processes.first,
            on_progress=show,
            on_notice=tell,
            **options,
        )
    if not processes.first:
        return None
    findings = _attacked(arguments, encoder, erasure) if arguments.audit else ()
    saved = unlearn.save(
        erasure,
        arguments.out,
        encoder,
        formats=arguments.formats,
        findings=findings,
        push_to_hub=arguments.push_to_hub,
    )
    for notice in filter(None, (erasure.left_over, *saved.notices)):
        tell(notice)
    written = f"Wrote {saved.folder}; its README.md says how to load each file."
    lines = [*_accuracy(erasure.metrics), f"{written} Pushed to {saved.address}" if saved.address else written]
    return Result("\n".join(lines), saved.to_dict() | {"record": erasure.to_dict()})


def _attacked(arguments: argparse.Namespace, encoder: OpenClipEncoder, erasure: RecordedErasure) -> tuple[Finding, ...]:
    with progress_bar("attacking", quiet=arguments.quiet) as show:
        audit = unlearn.audit(encoder, erasure, images=arguments.images, seed=arguments.seed, on_progress=show)
    return audit.findings


def _retained(arguments: argparse.Namespace) -> list[str] | str | None:
    """Return the names of the retain set, or None if none are given."""
    path: Path | None = arguments.retain_file
    if path is None:
        return None if arguments.retain is None else names_of(arguments.retain)
    return read_list(path)


def _accuracy(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for the forget set and one for the retain set, if they were measured."""
    for part in ("forget", "retain") if metrics else ():
        before, after = (metrics[label][part] for label in ("before", "after"))
        shown = f"{before['top1']:.1%} → {after['top1']:.1%}" if before["n"] else "no images to measure it"
        yield f"{part}: top-1 {shown} (n = {before['n']})"


def go_on(arguments: argparse.Namespace) -> str:
    if arguments.checkpoint is None:
        return "Nothing was written; with --checkpoint FILE, a run of CLIPErase can be resumed."
    return f"The same command goes on from “{arguments.checkpoint}”."
