"""Attack an erasure, to see whether the concept can be recovered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearn.attacks.audit import run_audit
from unlearn.attacks.finding import Finding
from unlearn.attacks.groups import Group
from unlearn.attacks.report import AuditReport
from unlearn.attacks.target import AttackTarget
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.concepts.selection import Selection, Vocabulary, clean_name
from unlearn.data.images import count_in_words
from unlearn.diffusion.pipelines import LoadedPipeline, load_pipeline
from unlearn.diffusion.records import apply_erasure_to_pipeline
from unlearn.errors import require_choice
from unlearn.finetuning.sources import BUNDLED, training_data
from unlearn.functions.arguments import OnNotice, OnProgress, announce
from unlearn.functions.erasing import unedited
from unlearn.functions.notebook import as_table
from unlearn.functions.recorded import RecordedErasure
from unlearn.progress import run_to_end
from unlearn.templates import percent

#: Columns of a printed audit.
HEADER = f"{'verdict':<15}{'attack':<32}{'before → after':<27}{'chance':<8}what it means"


@dataclass(frozen=True)
class Audit:
    """Findings of each attack on an erasure; printed as the answer in a sentence, and one line per attack.

    Attributes:
        method: method of the erasure.
        report: the concept that was attacked, and the findings.
        notices: sentences about the images.
    """

    method: str
    report: AuditReport
    notices: tuple[str, ...] = ()

    @property
    def concept(self) -> str:
        """The erased concept that was attacked."""
        return self.report.concept.name

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The result of each attack, with its numbers and its verdict."""
        return self.report.findings

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """The findings of attacks that recovered the concept."""
        return self.report.leaks

    def __repr__(self) -> str:
        count = f"{len(self.leaks)} of {len(self.report.counted)} attacks leaked"
        return f"Audit(method={self.method!r}, concept={self.concept!r}, {count})"

    def __str__(self) -> str:
        measured = f"“{self.concept}”, measured on {count_in_words(self.report.n)} of it, 95 % intervals in brackets."
        return "\n".join([" ".join(self.report.answer), "", HEADER, *map(_line, self.findings), measured])

    def _repr_html_(self) -> str:
        """Return what notebooks show."""
        rows = [(f.name, f.verdict, percent(f.before, 1), percent(f.after, 1), f.meaning) for f in self.findings]
        caption = f"{len(self.leaks)} of {len(self.findings)} attacks on “{self.concept}” leaked; held is no proof."
        return as_table(caption, ("attack", "verdict", "before", "after", ""), rows)

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as JSON, without images; None for numbers that were not measured."""
        return {"method": self.method} | self.report.record()


def audit(
    clip: OpenClipEncoder,
    erasure: RecordedErasure,
    concept: str | None = None,
    *,
    images: str | Path = BUNDLED,
    seed: int = 0,
    on_progress: OnProgress | None = None,
    on_notice: OnNotice | None = None,
) -> Audit:
    """Run every attack on an erasure: other words, images, probes, fine-tuning, soft prompts and rounding.

    Args:
        clip: the model, unedited.
        erasure: result of :func:`unlearn.erase` or :func:`unlearn.load`.
        concept: the erased concept to attack; the first by default.
        images: labelled images to attack with: ``"bundled"``, a folder with one subfolder a class, or a public data set
            by name.
        seed: random seed of the attacks.
        on_progress: called with each :class:`unlearn.progress.Progress`, which has ``done``, ``total`` and ``text``.
        on_notice: called at once with each of :attr:`Audit.notices`.

    Raises:
        ParameterError: ``concept`` is not erased.
        ImageError: there are no images, or none of the concept.
    """
    base, edit = unedited(clip), erasure.erasure
    data = training_data(str(images), erasure.forget)
    announce(data.notices, on_notice)
    erased = {known.name: known for known in edit.selection.forget}
    name = require_choice("concept", _asked(concept, edit.selection), tuple(erased))
    # The record does not list a folder's classes; then the labels are those of the images given here.
    vocabulary = erasure.vocabulary if erasure.record.vocabulary else data.vocabulary
    target = AttackTarget(
        erased[name],
        base,
        edit.apply(base),
        data.train,
        data.test,
        vocabulary,
        seed,
        learned_from_images=erasure.method != "ccup",
    )

    def pipelines() -> tuple[LoadedPipeline, LoadedPipeline]:
        loaded = load_pipeline("pocket")
        return loaded, apply_erasure_to_pipeline(loaded, base, edit).loaded

    report = run_to_end(run_audit(target, pipelines), on_progress)
    return Audit(erasure.method, report, data.notices)


def _asked(concept: str | None, erased: Selection) -> str:
    """Return the name of the erased concept to attack; ``concept`` is any spelling of it."""
    known = erased.forget[0] if concept is None else Vocabulary(erased.forget).find(clean_name(concept))
    return known.name if known else str(concept)


def _line(finding: Finding) -> str:
    numbers = chance = ""
    if not math.isnan(finding.before):
        low, high = finding.interval
        numbers = f"{finding.before:.0%} → {finding.after:.0%} [{low:.0%}, {high:.0%}]"
        chance = f"{finding.chance:.0%}"
    verdict = "related" if finding.group is Group.RELATED else str(finding.verdict)
    return f"{verdict:<15}{finding.name:<32}{numbers:<27}{chance:<8}{finding.meaning}"
