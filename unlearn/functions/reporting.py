"""Write a report on an erasure as one page of HTML."""

from __future__ import annotations

from pathlib import Path

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.concepts.named_vocabularies import named_vocabulary
from unlearn.erasers.variants import MADE_BY, ORIGINAL
from unlearn.files.writing import require_file, whole_file
from unlearn.finetuning.sources import BUNDLED, labels_of, measuring_images
from unlearn.functions.arguments import Names, OnNotice, announce
from unlearn.functions.auditing import Audit
from unlearn.functions.erasing import unedited, vocabulary_of
from unlearn.functions.recorded import RecordedErasure
from unlearn.report.html import render
from unlearn.report.measured import measure_report
from unlearn.sweeps.trade_off import sweep_strength


def write_report(
    path: str | Path,
    clip: OpenClipEncoder,
    erasure: RecordedErasure,
    *,
    images: str | Path = BUNDLED,
    vocabulary: Names | Path | None = None,
    audit: Audit | None = None,
    on_notice: OnNotice | None = None,
) -> Path:
    """Measure an erasure and write one HTML file with metrics, images, charts and its settings; returns its path.

    Args:
        path: the file to write; it can be read offline.
        clip: the model, unedited.
        erasure: result of :func:`unlearn.erase` or :func:`unlearn.load`.
        images: ``"bundled"``, a folder with one subfolder a class, or a public data set by name.
        vocabulary: labels offered: ``"bundled"``, ``"imagenet"``, ``"cifar100"``, a file, or a list of words; by
            default those of ``images``.
        audit: result of :func:`unlearn.audit` on the erasure, which opens the report.
        on_notice: called at once with each sentence about ``images``.

    Raises:
        ConceptError, ParameterError, ImageError: an argument cannot be used; the message says what is allowed.
    """
    out = Path(path)
    require_file(out)
    base, edit = unedited(clip), erasure.erasure
    gallery = measuring_images(str(images), erasure.forget)
    announce(gallery.notices, on_notice)
    if vocabulary is not None:
        words = vocabulary_of(vocabulary)
    else:
        words = named_vocabulary(BUNDLED) if str(images) == BUNDLED else labels_of(gallery)
    closed_form = edit.closed_form if edit.method == "ccup" else None
    swept = sweep_strength(base, gallery, edit.selection, closed_form.settings, vocabulary=words) if closed_form else ()
    variants = {ORIGINAL: base, MADE_BY[erasure.method]: edit.apply(base)}
    attacks = audit.report if audit else None
    page = render(measure_report(variants, [erasure.record], gallery, words, curves=tuple(swept), audit=attacks))
    with whole_file(out) as unfinished:
        unfinished.write_text(page, encoding="utf-8")
    return out
