"""``python -m unlearn evaluate``: measure a model, or an erasure of it, on a folder of pictures."""

from __future__ import annotations

import argparse
import json
import math

from unlearn.cli.arguments import add_erasure, add_images, add_json, add_model, names_of, print_notices

HELP = "Measure a model, or an erasure of it, on a folder with one subfolder a class, or on a public data set."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_erasure(parser)
    add_images(parser)
    parser.add_argument(
        "--vocabulary",
        metavar="NAME",
        help="labels offered (default: the classes): bundled, imagenet, cifar100, FILE or WORD,WORD",
    )
    parser.add_argument("--forget", nargs="+", metavar="CONCEPT", help="classes that count as erased")
    add_json(parser)


def run(arguments: argparse.Namespace) -> None:
    # Imported here so that --help answers at once.
    from unlearn.clip.encoders import TextImageEncoder
    from unlearn.clip.loading import load_clip
    from unlearn.concepts.named_vocabularies import vocabulary_argument
    from unlearn.concepts.selection import match_names
    from unlearn.data.gallery import restore_features
    from unlearn.evaluation.as_json import edit_metrics, retrieval_metrics, zero_shot_metrics
    from unlearn.evaluation.quality import evaluate_edit
    from unlearn.evaluation.retrieval import evaluate_retrieval
    from unlearn.evaluation.zero_shot import evaluate_zero_shot
    from unlearn.export.saved import load_erasure
    from unlearn.finetuning.sources import labels_of, measuring_pictures

    base = load_clip(arguments.model)
    restore_features(base)
    encoder: TextImageEncoder = base
    forget: tuple[str, ...] = ()
    if arguments.erasure is not None:
        erasure = load_erasure(arguments.erasure, base)
        encoder, forget = erasure.apply(base), erasure.selection.forget_names
    if arguments.forget is not None:
        forget = tuple(names_of(arguments.forget))

    gallery = measuring_pictures(arguments.images, forget)
    classes = labels_of(gallery)
    offered = vocabulary_argument(arguments.vocabulary) if arguments.vocabulary else classes
    forget, unknown = match_names(forget, classes)
    notices = [*gallery.notices, *unknown]
    print_notices(notices, json=arguments.json)
    report = evaluate_zero_shot(encoder, gallery, forget=forget, vocabulary=offered, progress=True)
    result = zero_shot_metrics(report) | {
        "per_class": {name: accuracy.top1 for name, accuracy in report.per_class.items()},
        "recall": retrieval_metrics(evaluate_retrieval(encoder, gallery, forget=forget)),
    }
    if notices:
        result["notices"] = notices
    quality = None
    if arguments.erasure is not None:
        quality = evaluate_edit(base, encoder, gallery, forget=forget, vocabulary=offered)
        result["edit"] = edit_metrics(quality)
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{encoder.name} on {gallery.name}, {report.overall.n} pictures, {len(offered.names)} labels offered")
    for part in ("overall", "forget", "retain"):
        accuracy = getattr(report, part)
        if accuracy.n:
            print(f"{part}: top-1 {accuracy.top1:.1%}, top-5 {accuracy.top5:.1%} (n = {accuracy.n})")
    if quality is not None:
        for part, compared in quality.top1.items():
            if (moved := compared.change().difference).n:
                sure = f"95% interval {moved.low:+.1%} to {moved.high:+.1%}"
                print(f"{part}, change of top-1: {moved.mean:+.1%} ({sure})")
        if not math.isnan(quality.harmonic_mean):
            print(f"harmonic mean of forgetting and retention: {quality.harmonic_mean:.3f}")
