"""Attacks on the visitor's edit, as background runs. No gradio here."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from unlearn.app.edits import Audited
from unlearn.app.runs.background import BackgroundRun, Plan
from unlearn.app.runs.drawings import DRIVES_NOTHING, edited_pipeline
from unlearn.app.services import Services, selection_of
from unlearn.app.session import Session, Visitor
from unlearn.attacks.audit import AuditProgress, run_audit
from unlearn.attacks.target import AttackTarget
from unlearn.concepts.prompts import Concept
from unlearn.diffusion.pipelines import LoadedPipeline
from unlearn.errors import require_choice
from unlearn.progress import Status

AuditStatus = Status[AuditProgress, Audited]


def _plan(services: Services, session: Session, concept: str) -> Plan[AuditProgress, Audited]:
    """Plan the attacks on ``concept``; "" is the first erased concept.

    Raises:
        ConceptError, ParameterError: no concept is erased, or ``concept`` is not among the erased ones.
        ImageError: the attacks need images of the concept and there are none.
    """
    erased = {concept.name: concept for concept in selection_of(session).forget}
    name = require_choice("concept", concept or next(iter(erased)), tuple(erased))
    (original, *_, edited) = services.variants(session).values()
    own = session.uploads
    training = services.training if own is None or name in services.training.concepts else own.train
    test = services.measured_on(session, [name])
    target = AttackTarget(
        erased[name],
        original,
        edited,
        training,
        test,
        services.vocabulary_of(session),
        learned_from_images=session.fine_tuned is not None,
    )

    def pipelines() -> tuple[LoadedPipeline, LoadedPipeline]:
        encoder = services.open_clip_encoder_of(session, DRIVES_NOTHING)
        loaded = services.pipelines.get("pocket")
        return loaded, edited_pipeline(services, session, loaded, encoder).loaded

    def begin() -> Generator[AuditProgress, None, Audited]:
        report = yield from run_audit(target, pipelines)
        return Audited(report, session.edits, session.own_images)

    return Plan(begin)


def _keep(visitor: Visitor, result: Audited, services: Services) -> None:
    if result is not visitor.session.audited:
        visitor.change(audited=result)


AUDIT = BackgroundRun("audit", _plan, stopped="Stopped. What was found until then is still here.", keep=_keep)


def learnable(services: Services, session: Session, names: Sequence[str]) -> list[str]:
    """Return the ``names`` that CLIPErase has images of; a word through which a concept leaked has none of its own."""
    vocabulary, own = services.vocabulary_of(session), session.uploads
    shown = {*services.training.concepts, *(own.train.concepts if own else ())}
    return [name for name in names if (vocabulary.find(name) or Concept(name)).name in shown]
