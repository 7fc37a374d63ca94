"""Measure a model, or an erasure of it, on labelled images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearn.clip.encoders import OpenClipEncoder, TextImageEncoder
from unlearn.concepts.named_vocabularies import match_names
from unlearn.concepts.selection import parse_names
from unlearn.evaluation.as_json import edit_metrics, retrieval_metrics, zero_shot_metrics
from unlearn.evaluation.per_class import ClassResult, per_class
from unlearn.evaluation.quality import Quality, evaluate_edit
from unlearn.evaluation.retrieval import RetrievalReport, evaluate_retrieval
from unlearn.evaluation.zero_shot import ZeroShotReport, evaluate_zero_shot
from unlearn.finetuning.prepared import encoding
from unlearn.finetuning.sources import BUNDLED, labels_of, measuring_images
from unlearn.functions.arguments import Names, OnProgress
from unlearn.functions.erasing import unedited, vocabulary_of
from unlearn.functions.notebook import as_table
from unlearn.functions.recorded import RecordedErasure
from unlearn.templates import percent


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Accuracy and retrieval of a model on labelled images; printed as a few lines.

    Attributes:
        model: name of the model.
        images: name of the collection.
        forget: classes that count as erased.
        zero_shot: accuracy with all labels offered: on all images, on those of erased classes and on the others.
        retrieval: recall@k in both directions.
        classes: result of each class, those of ``forget`` first.
        edit: measurements before and after the erasure with 95 % intervals; None if no erasure was given.
        notices: sentences about the images and the classes.
    """

    model: str
    images: str
    forget: tuple[str, ...]
    zero_shot: ZeroShotReport
    retrieval: RetrievalReport
    classes: tuple[ClassResult, ...]
    edit: Quality | None = None
    notices: tuple[str, ...] = ()

    def __repr__(self) -> str:
        parts = {part: getattr(self.zero_shot, part) for part in ("forget", "retain")}
        top1 = ", ".join(
            f"{part}={accuracy.top1:.3f} of {accuracy.n}" for part, accuracy in parts.items() if accuracy.n
        )
        return f"Evaluation(model={self.model!r}, images={self.images!r}, forget={self.forget!r}, top1: {top1})"

    def __str__(self) -> str:
        report = self.zero_shot
        shown = [
            f"{part} {accuracy.top1:.1%} (n = {accuracy.n})"
            for part in ("overall", "forget", "retain")
            if (accuracy := getattr(report, part)).n
        ]
        lines = [
            f"{self.model} on {self.images}, {report.overall.n} images, {len(report.classnames)} labels offered",
            f"top-1: {', '.join(shown)}",
        ]
        return "\n".join([*lines, f"change: {', '.join(self._changes())}"] if self.edit else lines)

    def _changes(self) -> Iterator[str]:
        """Yield the change of top-1 in each part with its 95 % interval, and the harmonic mean, where measured."""
        if self.edit is None:
            return
        for part, compared in self.edit.top1.items():
            if (moved := compared.change().difference).n:
                yield f"{part} {moved.mean:+.1%} (95% {moved.low:+.1%} to {moved.high:+.1%})"
        if not math.isnan(self.edit.harmonic_mean):
            yield f"harmonic mean of forgetting and retention {self.edit.harmonic_mean:.3f}"

    def _repr_html_(self) -> str:
        """Return what notebooks show."""
        parts = {part: getattr(self.zero_shot, part) for part in ("overall", "forget", "retain")}
        measured = [(part, known) for part, known in parts.items() if known.n]
        rows = [(part, known.n, percent(known.top1, 1), percent(known.top5, 1)) for part, known in measured]
        return as_table(f"{self.model} on {self.images}", ("images", "n", "top-1", "top-5"), rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON: fractions, and None for numbers that were not measured."""
        result = zero_shot_metrics(self.zero_shot) | {
            "per_class": {each.name: {"n": each.n, **each.top1, "called": each.called} for each in self.classes},
            "recall": retrieval_metrics(self.retrieval),
        }
        if self.notices:
            result["notices"] = list(self.notices)
        return result if self.edit is None else result | {"edit": edit_metrics(self.edit)}


def evaluate(
    clip: TextImageEncoder,
    *,
    erasure: RecordedErasure | None = None,
    images: str | Path = BUNDLED,
    forget: Names | None = None,
    vocabulary: Names | Path | None = None,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Measure a model, or compare an erasure of it with it, on labelled images.

    Args:
        clip: the model; without ``erasure`` it may be an edited model.
        erasure: result of :func:`unlearn.erase` or :func:`unlearn.load`; the edited model is measured and compared with
            ``clip``.
        images: ``"bundled"``, a folder with one subfolder a class, or a public data set by name, such as
            ``"cifar100"``.
        forget: classes that count as erased; those of ``erasure`` by default.
        vocabulary: labels offered: ``"bundled"``, ``"imagenet"``, ``"cifar100"``, a file, or a list of words; by
            default the classes of ``images``.
        on_progress: called with each :class:`unlearn.progress.Progress`, which has ``done``, ``total`` and ``text``.

    Raises:
        ConceptError, ImageError: an argument cannot be used; the message says what is allowed.
        ModelError: ``clip`` is not the unedited model that an erasure needs.
    """
    show = on_progress or (lambda progress: None)
    original = unedited(clip) if erasure or isinstance(clip, OpenClipEncoder) else clip
    encoder = erasure.apply(unedited(clip)) if erasure else original
    names = (erasure.forget if erasure else ()) if forget is None else parse_names(forget)
    gallery = measuring_images(str(images), names)
    classes = labels_of(gallery)
    offered = classes if vocabulary is None else vocabulary_of(vocabulary)
    erased, unknown = match_names(names, classes)
    models = {"before": original, "after": encoder} if erasure else {"top1": encoder}
    for model in models.values():
        model.image_features(gallery, watch=lambda done, total: show(encoding(done, total)))
    return Evaluation(
        encoder.name,
        gallery.name,
        erased,
        evaluate_zero_shot(encoder, gallery, forget=erased, vocabulary=offered),
        evaluate_retrieval(encoder, gallery, forget=erased),
        per_class(models, gallery, erased, offered).results,
        evaluate_edit(original, encoder, gallery, forget=erased, vocabulary=offered) if erasure else None,
        (*gallery.notices, *unknown),
    )
