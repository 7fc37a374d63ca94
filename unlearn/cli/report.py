"""``python -m unlearn report``: an erasure on one page of HTML."""

from __future__ import annotations

import argparse
from pathlib import Path

from unlearn.cli.arguments import add_erasure, add_images, add_model, print_notices
from unlearn.files.writing import require_file, whole_file

HELP = "Write what an erasure does, with pictures and charts, as one HTML file that needs no network."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_erasure(parser, required=True)
    add_images(parser)
    parser.add_argument(
        "--vocabulary", metavar="NAME", help="labels offered, as in erase (default: the app's, or the folder's classes)"
    )
    parser.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE", help="default: report.html")


def run(arguments: argparse.Namespace) -> None:
    # Imported here so that --help answers at once.
    from unlearn.clip.loading import load_clip
    from unlearn.concepts.named_vocabularies import named_vocabulary, vocabulary_argument
    from unlearn.data.gallery import restore_features
    from unlearn.erasers.variants import MADE_BY, ORIGINAL
    from unlearn.export.saved import load_recorded
    from unlearn.finetuning.sources import BUNDLED, labels_of, measuring_pictures
    from unlearn.report.html import render
    from unlearn.report.measured import measure_report
    from unlearn.sweeps.trade_off import sweep_strength

    require_file(arguments.out)
    base = load_clip(arguments.model)
    erasure, record = load_recorded(arguments.erasure, base)
    restore_features(base)
    gallery = measuring_pictures(arguments.images, erasure.selection.forget_names)
    print_notices(gallery.notices)
    if arguments.vocabulary is not None:
        vocabulary = vocabulary_argument(arguments.vocabulary)
    elif arguments.images == BUNDLED:
        vocabulary = named_vocabulary(BUNDLED)
    else:
        vocabulary = labels_of(gallery)
    swept = (
        sweep_strength(base, gallery, erasure.selection, closed_form.settings, vocabulary=vocabulary)
        if erasure.method == "ccup" and (closed_form := erasure.closed_form)
        else ()
    )
    variants = {ORIGINAL: base, MADE_BY[record.method]: erasure.apply(base)}
    report = measure_report(variants, [record], gallery, vocabulary, curves=tuple(swept))
    with whole_file(arguments.out) as unfinished:
        unfinished.write_text(render(report), encoding="utf-8")
    print(f"Wrote {arguments.out}")
