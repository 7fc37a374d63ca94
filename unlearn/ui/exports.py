"""A visitor's erasure as files: a download with the code to use it, a report. No gradio here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unlearn.config import ASSETS
from unlearn.encoders import OpenClipEncoder
from unlearn.errors import ConceptError, ModelError, require_choice
from unlearn.evaluation.as_json import zero_shot_metrics
from unlearn.evaluation.zero_shot import evaluate_zero_shot
from unlearn.export.edit_file import Erasure, record_of
from unlearn.export.saved import EDIT, RECORD, save_erasure
from unlearn.export.snippets import snippet, snippets_of
from unlearn.finetuning.sources import BUNDLED
from unlearn.ui import trade_offs
from unlearn.ui.downloads import zipped
from unlearn.ui.links import link_of, write_link
from unlearn.ui.services import Services
from unlearn.ui.session import NOTHING_ERASED, Session, Visitor
from unlearn.variants import BOTH, CCUP, CLIPERASE, MADE_BY, ORIGINAL
from unlearn.vocabularies import vocabulary_text

if TYPE_CHECKING:
    from unlearn.report.measured import DrawnPair

REPORT, ATTENTION = "report", "cross_attention"
#: What can be made, and how it is called on screen.
KINDS = {
    "edit": "The edit alone",
    "open_clip": "Whole model, open_clip",
    "transformers": "Whole model, transformers",
    ATTENTION: "For diffusers",
    REPORT: "Report",
    "record": "Record",
}


@dataclass(frozen=True)
class Export:
    """A file that was made, what it is of, and code that uses it."""

    path: Path
    title: str
    code: str


def make_export(services: Services, visitor: Visitor, kind: str, variant: str = "") -> Export:
    """Make the file ``kind``, one of :data:`KINDS`.

    Args:
        variant: whose edit, a key of :func:`edits_of`; "" is all that is in force.

    Raises:
        ConceptError, ParameterError: nothing is erased, or there is no such file or edit.
        ModelError: the model cannot be written in this form.
        JobError: there is no room on disk.
    """
    require_choice("file", kind, tuple(KINDS))
    session = visitor.session
    encoder = exportable(services, session)
    edits = edits_of(services, session)
    if kind == ATTENTION and CCUP in edits:
        variant = CCUP
    erasure = edits[require_choice("edit", variant or next(iter(edits)), tuple(edits))]
    title = f"{KINDS[kind]}: {', '.join(erasure.selection.forget_names[:4])} erased by {MADE_BY[erasure.method]}"
    code = ""

    def write(folder: Path) -> Path:
        nonlocal code
        if kind == REPORT:
            return _write_report(services, visitor, folder)
        if kind == ATTENTION:
            path, code = _write_attention(services, session, encoder, folder)
            return path
        out = folder / "erased"
        formats = (kind,) if kind in ("open_clip", "transformers") else ()
        save_erasure(out, encoder, erasure, **_facts(services, session, erasure), formats=formats)
        codes = list(snippets_of(Path("erased"), erasure, encoder.name, formats).values())
        if formats:
            code = codes[-1]
            return zipped(out, folder / f"erased-{kind}.zip")
        code = codes[0].replace('"erased/', '"') if kind == "edit" else snippet("check_hashes", FOLDER="erased")
        return out / (EDIT if kind == "edit" else RECORD)

    weights = sum(parameter.numel() for parameter in encoder.model.parameters()) * 4
    # While it is moved into the archive, a file may be there twice.
    expected = 2 * weights if kind in ("open_clip", "transformers") else 0
    return Export(services.downloads.make(visitor.key, expected, write), title, code)


def edits_of(services: Services, session: Session) -> dict[str, Erasure]:
    """The visitor's erasures by the variant that each makes, first that of all that is in force.

    Raises:
        ConceptError: there is none.
    """
    edits: dict[str, Erasure] = {}
    if both := services.both(session):
        edits[BOTH] = both
    if session.erasure:
        edits[CCUP] = session.erasure
    if session.fine_tuned:
        edits[CLIPERASE] = session.fine_tuned.erasure
    if not edits:
        raise ConceptError(NOTHING_ERASED)
    return edits


def exportable(services: Services, session: Session) -> OpenClipEncoder:
    """The visitor's model.

    Raises:
        ModelError: it has no weights of open_clip's.
    """
    encoder = services.encoder_of(session)
    if not isinstance(encoder, OpenClipEncoder):
        raise ModelError("This model cannot be written to a file; choose one of open_clip's.")
    return encoder


def _facts(services: Services, session: Session, erasure: Erasure) -> dict[str, Any]:
    """What the record of the visitor's ``erasure`` tells beside the erasure itself."""
    # Only CLIPErase learns from pictures here; what CCUP knows is words.
    learned = session.fine_tuned.pictures if session.fine_tuned and erasure.method != "ccup" else BUNDLED
    return {
        "metrics": _metrics(services, session, erasure),
        "vocabulary": vocabulary_text(session.vocabulary or services.vocabulary),
        "pictures": learned,
    }


def _metrics(services: Services, session: Session, erasure: Erasure) -> Mapping[str, object]:
    """Before and after, as the command line measures it."""
    collection, words = services.collection(session), services.vocabulary_of(session)
    variants = services.variants(session)
    forget = erasure.selection.forget_names
    reports = {
        label: evaluate_zero_shot(
            variants[variant], collection, forget=forget, classnames=words.names, templates=words.templates
        )
        for label, variant in (("before", ORIGINAL), ("after", MADE_BY[erasure.method]))
    }
    return {"images": collection.name, **{label: zero_shot_metrics(report) for label, report in reports.items()}}


def _write_report(services: Services, visitor: Visitor, folder: Path) -> Path:
    from unlearn.report.html import render
    from unlearn.report.measured import measure_report

    session = visitor.session
    encoder = exportable(services, session)
    erasure = next(iter(edits_of(services, session).values()))
    measured = session.trade_off
    report = measure_report(
        services.variants(session),
        [record_of(encoder, erasure, **_facts(services, session, erasure))],
        services.collection(session),
        services.vocabulary_of(session),
        picture=session.picture.pictures[0] if session.picture else None,
        curves=measured.by_strength if measured and trade_offs.holds(services, session) else (),
        drawn=_last_drawn(services, visitor),
        link=write_link(link_of(services, session)),
    )
    path = folder / "report.html"
    path.write_text(render(report), encoding="utf-8")
    return path


def _last_drawn(services: Services, visitor: Visitor) -> DrawnPair | None:
    """The visitor's last pictures, if they are of what is erased now."""
    from unlearn.report.measured import DrawnPair
    from unlearn.ui.generation import Drawn, drawing_of

    status = drawing_of(services, visitor)
    drawn = status.result if status else None
    if not isinstance(drawn, Drawn) or drawn.erased != visitor.session.erased:
        return None
    pair = drawn.pair
    return DrawnPair(pair.drawing.prompt, drawn.carried.painter.name, pair.before, pair.after)


def _write_attention(services: Services, session: Session, encoder: OpenClipEncoder, folder: Path) -> tuple[Path, str]:
    """Cross-attention of the pipeline that the visitor's model drives, of the embedded one otherwise."""
    from unlearn.diffusion.carrying import carry
    from unlearn.diffusion.pipelines import PIPELINES
    from unlearn.diffusion.records import ATTENTION as FILE
    from unlearn.diffusion.records import save_attention

    if session.erasure is None:
        raise ModelError(
            "CLIPErase changes the text encoder, not the denoiser: take the whole model, or erase with CCUP."
        )
    driven = [name for name, known in PIPELINES.items() if encoder.name == known.clips[0]]
    painter = services.painters.get(driven[0] if driven else "pocket")
    vocabulary = services.vocabulary_of(session)
    save_attention(folder / FILE, carry(painter, encoder, closed_form=session.erasure, vocabulary=vocabulary))
    source = painter.known.source
    code = snippet(
        "diffusers_pipeline",
        PIPELINE=str(Path(source).relative_to(ASSETS.parent)) if Path(source).is_dir() else source,
        ATTENTION=FILE,
        PROMPT=f"a {session.erased[0]}",
    )
    return folder / FILE, code
