"""Attacks on the visitor's edit, as background runs. No gradio here."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from unlearn.app.drawings import edited_pipeline
from unlearn.app.services import Services
from unlearn.app.session import NOTHING_ERASED, Edits, Session, Visitor
from unlearn.attacks.audit import AuditProgress, Report, run_audit
from unlearn.attacks.target import AttackTarget
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.concepts.selection import Concept, Selection
from unlearn.data.gallery import Gallery
from unlearn.diffusion.pipelines import LoadedPipeline
from unlearn.errors import ConceptError, ModelError, require_choice
from unlearn.jobs import Status


@dataclass(frozen=True, eq=False)
class Audited:
    """A finished audit, the edits that it was of, and the visitor's pictures, where it used them."""

    report: Report
    edits: Edits
    pictures: Gallery | None

    def is_of(self, session: Session) -> bool:
        """Whether edits and pictures are still those of ``session``."""
        return self.edits == session.edits and self.pictures is session.own_pictures


AuditStatus = Status[AuditProgress, Audited]


def start_audit(services: Services, visitor: Visitor, concept: str = "") -> AuditStatus:
    """Put the attacks on ``concept`` in line; the first erased one if none is named.

    Raises:
        ConceptError: nothing is erased, or not this.
        PictureError: there is no picture of it to attack with.
        JobError: the visitor's last audit is still running, or the line is full.
    """
    session = visitor.session
    erased = {concept.name: concept for concept in selection_of(session).forget}
    name = require_choice("concept", concept or next(iter(erased)), tuple(erased))
    (original, *_, edited) = services.variants(session).values()
    own = session.uploads
    training = services.training if own is None or name in services.training.concepts else own.train
    test = measured_on(services, session, [name])
    target = AttackTarget(erased[name], original, edited, training, test, services.vocabulary_of(session))

    def pipelines() -> tuple[LoadedPipeline, LoadedPipeline]:
        if not isinstance(original, OpenClipEncoder):
            raise ModelError("This model drives no diffusion pipeline.")
        loaded = services.pipelines.get("pocket")
        return loaded, edited_pipeline(services, session, loaded, original).loaded

    def start() -> Generator[AuditProgress, None, Audited]:
        report = yield from run_audit(target, pipelines)
        return Audited(report, session.edits, session.own_pictures)

    return services.start(visitor, "audit", start)


def audit_of(services: Services, visitor: Visitor) -> AuditStatus | None:
    """The visitor's audit as it is now; a finished one is remembered in the session."""
    status: AuditStatus | None = services.jobs.find(visitor.lines["audit"])
    if status is not None and status.result is not None and status.result is not visitor.session.audited:
        visitor.change(audited=status.result)
    return status


def stop_audit(services: Services, visitor: Visitor) -> AuditStatus | None:
    """Stop it within a step; what was found before stays on screen."""
    return services.jobs.cancel(visitor.lines["audit"])


def selection_of(session: Session) -> Selection:
    """What the edits in force are to erase.

    Raises:
        ConceptError: nothing is erased.
    """
    if not session.erased:
        raise ConceptError(NOTHING_ERASED)
    return session.selection


def learnable(services: Services, session: Session, names: Sequence[str]) -> list[str]:
    """Those of ``names`` that CLIPErase has pictures of; a word by which a concept leaked has none of its own."""
    vocabulary, own = services.vocabulary_of(session), session.uploads
    shown = {*services.training.concepts, *(own.train.concepts if own else ())}
    return [name for name in names if (vocabulary.find(name) or Concept(name)).name in shown]


def measured_on(services: Services, session: Session, names: Sequence[str]) -> Gallery:
    """Pictures that nothing was trained on: the collection, or where it shows none of ``names``, others that do."""
    own = session.uploads.test if session.uploads else services.gallery
    held_out = services.held_out(session)
    values_for = (
        gallery for gallery in (held_out, own, services.gallery) if not set(names).isdisjoint(gallery.concepts)
    )
    return next(values_for, held_out)
