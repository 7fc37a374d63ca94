"""``python -m unlearn audit``: attack an erasure, and say what leaked."""

from __future__ import annotations

import argparse
import json
import math
from typing import TYPE_CHECKING

from unlearn.cli.arguments import add_erasure, add_json, add_model, names_of, print_notices
from unlearn.concepts.selection import Selection, Vocabulary, clean_name
from unlearn.erasers.settings import FORMS

if TYPE_CHECKING:
    from unlearn.attacks.finding import Finding

HELP = "Attack an erasure: is the concept gone, or can it be had back?"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    add_erasure(what)
    what.add_argument("--forget", nargs="+", metavar="CONCEPT", help="concepts to erase first, with --method")
    parser.add_argument("--method", help="as `erase` takes it, with --forget (default: ccup)")
    parser.add_argument("--form", choices=FORMS, help="of CCUP, with --forget (default: paired)")
    parser.add_argument("--concept", help="the erased concept to attack (default: the first)")
    parser.add_argument("--pictures", default="bundled", metavar="SOURCE", help="to attack with: as `erase` takes it")
    parser.add_argument("--seed", type=int, default=0, help="of methods and attacks that draw (default: 0)")
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    # Imported here so that --help answers at once.
    from tqdm import tqdm

    from unlearn.attacks.audit import run_audit
    from unlearn.attacks.target import AttackTarget
    from unlearn.clip.loading import load_clip
    from unlearn.concepts.named_vocabularies import named_vocabulary
    from unlearn.concepts.selection import select
    from unlearn.data.gallery import restore_features
    from unlearn.data.images import count_in_words
    from unlearn.diffusion.pipelines import LoadedPipeline, load_pipeline
    from unlearn.diffusion.records import apply_erasure_to_pipeline
    from unlearn.erasers import methods
    from unlearn.errors import ParameterError, require_choice
    from unlearn.export.saved import load_recorded
    from unlearn.finetuning.sources import training_data
    from unlearn.jobs import Progress, run_to_end

    encoder = load_clip(arguments.model)
    restore_features(encoder)
    if arguments.erasure is not None:
        if arguments.method is not None or arguments.form is not None:
            raise ParameterError("A saved erasure has a method already; give --method and --form with --forget.")
        erasure, record = load_recorded(arguments.erasure, encoder)
        data = training_data(arguments.pictures, erasure.selection.forget_names)
        vocabulary = named_vocabulary(record.vocabulary) if record.vocabulary else data.vocabulary
    else:
        forget = names_of(arguments.forget)
        data = training_data(arguments.pictures, forget)
        vocabulary = data.vocabulary
        task = methods.Task(
            encoder, select(forget, vocabulary=vocabulary), vocabulary, data.train, data.test, arguments.seed
        )
        given = {} if arguments.form is None else {"form": arguments.form}
        erasure = run_to_end(methods.fit(arguments.method or "ccup", task, **given))
    print_notices(data.notices, json=arguments.json)
    erased = {concept.name: concept for concept in erasure.selection.forget}
    name = require_choice("concept", _asked(arguments.concept, erasure.selection), tuple(erased))
    edited = erasure.apply(encoder)
    target = AttackTarget(erased[name], encoder, edited, data.train, data.test, vocabulary, arguments.seed)

    def pipelines() -> tuple[LoadedPipeline, LoadedPipeline]:
        loaded = load_pipeline("pocket")
        return loaded, apply_erasure_to_pipeline(loaded, encoder, erasure).loaded

    with tqdm(disable=arguments.json) as bar:

        def show(progress: Progress) -> None:
            bar.set_description(progress.text, refresh=False)
            bar.total, bar.n = progress.total, progress.done
            bar.refresh()

        report = run_to_end(run_audit(target, pipelines), show)
    if arguments.json:
        print(json.dumps({"method": erasure.method} | report.record(), ensure_ascii=False))
        return
    for finding in report.findings:
        print(_line(finding))
    leaked = f"{len(report.leaks)} of {len(report.findings)} attacks on “{name}” leaked"
    print(f"{leaked}, measured on {count_in_words(report.n)} of it; held is no proof.")


def _asked(concept: str | None, erased: Selection) -> str:
    """The erased concept that is to be attacked; ``concept`` is any spelling of it."""
    known = erased.forget[0] if concept is None else Vocabulary(erased.forget).find(clean_name(concept))
    return known.name if known else str(concept)


def _line(finding: Finding) -> str:
    numbers = "" if math.isnan(finding.before) else f"{finding.before:.0%} → {finding.after:.0%}"
    return f"{finding.verdict:<15}{finding.name:<32}{numbers:<14}{finding.meaning}"
