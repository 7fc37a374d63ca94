"""Exports of a visitor's erasure: a download with code that uses it, or a report. No gradio here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearn.app.links import link_or_why
from unlearn.app.runs import trade_offs
from unlearn.app.runs.drawings import DRAWING, Drawn
from unlearn.app.services import Services
from unlearn.app.session import NOTHING_ERASED, PAYER, Session, Visitor
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.concepts.named_vocabularies import vocabulary_text
from unlearn.diffusion.apply_edits import EditedPipeline, apply_to_pipeline
from unlearn.diffusion.pipelines import PIPELINES
from unlearn.diffusion.records import ATTENTION as ATTENTION_FILE
from unlearn.diffusion.records import GATE as GATE_FILE
from unlearn.diffusion.records import code_of, save_attention, save_gate
from unlearn.erasers.erasure import AnyErasure
from unlearn.erasers.variants import BOTH, CCUP, CLIPERASE, MADE_BY, ORIGINAL
from unlearn.errors import ConceptError, ModelError, require_choice
from unlearn.evaluation.as_json import before_and_after
from unlearn.export.edit_file import record_of
from unlearn.export.saved import EDIT, RECORD, save_erasure
from unlearn.export.snippets import snippet, snippet_of
from unlearn.files.downloads import zipped
from unlearn.finetuning.sources import BUNDLED
from unlearn.report.html import render
from unlearn.report.measured import DrawnPair, measure_report

REPORT, ATTENTION, GATE = "report", "cross_attention", "token_gate"
NOT_WRITTEN = "This model cannot be written to a file; choose one of open_clip's."
NOT_IN_A_DENOISER = "CLIPErase changes the text encoder, not the denoiser: take the whole model, or erase with CCUP."


@dataclass(frozen=True)
class Export:
    """An exported file, a description of it, and code that uses it."""

    path: Path
    title: str
    code: str


@dataclass(frozen=True, eq=False)
class Wanted:
    """Source of an export: one of the visitor's edits and the model it applies to."""

    services: Services
    visitor: Visitor
    encoder: OpenClipEncoder
    erasure: AnyErasure


@dataclass(frozen=True)
class FileKind:
    """A kind of file: its name on screen, the function that writes it to a folder, and code that uses it."""

    name: str
    write: Callable[[Wanted, Path], Path]
    code: Callable[[Wanted], str]
    whole_model: bool = False


def make_export(services: Services, visitor: Visitor, kind: str, variant: str = "") -> Export:
    """Make the file ``kind``, one of :data:`KINDS`.

    Args:
        variant: the edit to export, a key of :func:`edits_of`; "" is every active edit, which a report always covers.

    Raises:
        ConceptError, ParameterError: no concept is erased, or the kind of file or the edit does not exist.
        ModelError: the model cannot be written in this format.
        JobError: there is not enough disk space.
    """
    made = FILE_KINDS[require_choice("file", kind, tuple(FILE_KINDS))]
    encoder = services.open_clip_encoder_of(visitor.session, NOT_WRITTEN)
    erasure = _chosen(edits_of(services, visitor.session), kind, variant)
    wanted = Wanted(services, visitor, encoder, erasure)
    weights = sum(parameter.numel() for parameter in encoder.model.parameters()) * 4
    # A file may exist twice while it is moved into the archive.
    expected = 2 * weights if made.whole_model else 0
    path = services.downloads.make(visitor.key, expected, lambda folder: made.write(wanted, folder), payer=PAYER.get())
    erased = ", ".join(erasure.selection.forget_names[:4])
    return Export(path, f"{made.name}: {erased} erased by {MADE_BY[erasure.method]}", made.code(wanted))


def _chosen(edits: dict[str, AnyErasure], kind: str, variant: str) -> AnyErasure:
    everything = next(iter(edits))
    chosen = require_choice("edit", variant or everything, tuple(edits))
    if kind == REPORT:
        return edits[everything]
    if kind not in (ATTENTION, GATE):
        return edits[chosen]
    if chosen == CLIPERASE:
        raise ModelError(NOT_IN_A_DENOISER)
    return edits[CCUP]


def edits_of(services: Services, session: Session) -> dict[str, AnyErasure]:
    """Return the visitor's erasures by the variant each one makes; the first combines all active edits.

    Raises:
        ConceptError: no concept is erased.
    """
    edits: dict[str, AnyErasure] = {}
    if both := services.both(session):
        edits[BOTH] = both
    if session.erasure:
        edits[CCUP] = session.erasure
    if session.fine_tuned:
        edits[CLIPERASE] = session.fine_tuned.erasure
    if not edits:
        raise ConceptError(NOTHING_ERASED)
    return edits


def _save(wanted: Wanted, folder: Path, *formats: str) -> Path:
    out, services, session = folder / "erased", wanted.services, wanted.visitor.session
    facts = _facts(services, session, wanted.erasure)
    templates = services.vocabulary_of(session).templates
    save_erasure(out, wanted.encoder, wanted.erasure, **facts, templates=templates, formats=formats)
    return out


def _whole_model(form: str) -> Callable[[Wanted, Path], Path]:
    return lambda wanted, folder: zipped(_save(wanted, folder, form), folder / f"erased-{form}.zip")


def _code(part: str, folder: str) -> Callable[[Wanted], str]:
    return lambda wanted: snippet_of(part, Path(folder), wanted.erasure, wanted.encoder.name)


def _facts(services: Services, session: Session, erasure: AnyErasure) -> dict[str, Any]:
    """Return the facts that the record of the visitor's ``erasure`` adds to the erasure itself."""
    # Only CLIPErase trains on images here; CCUP uses words alone.
    learned = session.fine_tuned.images if session.fine_tuned and erasure.method != "ccup" else BUNDLED
    variants = services.variants(session)
    return {
        "metrics": before_and_after(
            variants[ORIGINAL],
            variants[MADE_BY[erasure.method]],
            services.collection(session),
            erasure.selection.forget_names,
            services.vocabulary_of(session),
        ),
        "vocabulary": vocabulary_text(session.vocabulary or services.vocabulary),
        "images": learned,
    }


def _write_report(wanted: Wanted, folder: Path) -> Path:
    services, visitor, session = wanted.services, wanted.visitor, wanted.visitor.session
    measured, (link, no_link) = session.trade_off, link_or_why(services, session)
    report = measure_report(
        services.variants(session),
        [record_of(wanted.encoder, wanted.erasure, **_facts(services, session, wanted.erasure))],
        services.collection(session),
        services.vocabulary_of(session),
        image=session.image.images[0] if session.image else None,
        audit=session.audited.report if session.audited and session.audited.is_of(session) else None,
        curves=measured.by_strength if measured and trade_offs.holds(services, session) else (),
        drawn=last_drawn(services, visitor),
        link=link,
        no_link=no_link,
    )
    path = folder / "report.html"
    path.write_text(render(report), encoding="utf-8")
    return path


def last_drawn(services: Services, visitor: Visitor) -> DrawnPair | None:
    """Return the visitor's last drawn images, if the edits active now are those they were drawn with."""
    status = DRAWING.find(services, visitor)
    drawn = status.result if status else None
    if not isinstance(drawn, Drawn) or drawn.edits != visitor.session.edits:
        return None
    pair = drawn.pair
    return DrawnPair(pair.drawing.prompt, drawn.edited_pipeline.loaded.name, pair.before, pair.after)


def _for_diffusers(
    file: str, save: Callable[[Path, EditedPipeline], None], carry_method: str
) -> Callable[[Wanted, Path], Path]:
    """Return a function that writes CCUP, carried by ``carry_method``, to ``file``."""

    def write(wanted: Wanted, folder: Path) -> Path:
        services, session = wanted.services, wanted.visitor.session
        loaded = services.pipelines.get(_driven_by(wanted.encoder))
        asked: Any = {"carry_method": carry_method, "vocabulary": services.vocabulary_of(session)}
        save(folder / file, apply_to_pipeline(loaded, wanted.encoder, closed_form=session.erasure, **asked))
        return folder / file

    return write


def _pipeline_code(file: str) -> Callable[[Wanted], str]:
    """Return a function that gives code which uses ``file`` in a stock pipeline."""
    return lambda wanted: code_of(
        PIPELINES[_driven_by(wanted.encoder)], file, f"a {wanted.erasure.selection.forget_names[0]}"
    )


def _driven_by(encoder: OpenClipEncoder) -> str:
    """Return the pipeline that uses the visitor's model as its text encoder, or the embedded pipeline if none does."""
    return next((name for name, known in PIPELINES.items() if encoder.name == known.clips[0]), "pocket")


FILE_KINDS = {
    "edit": FileKind("The edit alone", lambda wanted, folder: _save(wanted, folder) / EDIT, _code("edit", "")),
    "open_clip": FileKind("Whole model, open_clip", _whole_model("open_clip"), _code("open_clip", "erased"), True),
    "transformers": FileKind(
        "Whole model, transformers", _whole_model("transformers"), _code("transformers", "erased"), True
    ),
    GATE: FileKind(
        "For diffusers, gated",
        _for_diffusers(GATE_FILE, save_gate, "gated"),
        _pipeline_code(GATE_FILE),
    ),
    ATTENTION: FileKind(
        "For diffusers",
        _for_diffusers(ATTENTION_FILE, save_attention, "ridge"),
        _pipeline_code(ATTENTION_FILE),
    ),
    REPORT: FileKind("Report", _write_report, lambda wanted: ""),
    "record": FileKind(
        "Record",
        lambda wanted, folder: _save(wanted, folder) / RECORD,
        lambda wanted: snippet("check_hashes", FOLDER="erased"),
    ),
}
