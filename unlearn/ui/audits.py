"""Attacks on the visitor's edit, and other methods beside it: background runs. No gradio here."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unlearn.attacks.audit import Progress, Report, run_audit
from unlearn.attacks.suspect import Suspect
from unlearn.comparison import Comparing, Outcome, compare
from unlearn.concepts import Concept, Selection
from unlearn.diffusion.pipelines import Painter
from unlearn.encoders import OpenClipEncoder
from unlearn.erasers.methods import METHODS, Task
from unlearn.errors import ConceptError, ModelError, require_choice
from unlearn.finetuning.pairs import hold_out
from unlearn.gallery import Gallery
from unlearn.jobs import Status
from unlearn.ui.generation import carried
from unlearn.ui.services import Services
from unlearn.ui.session import DrawRequest, Session, Visitor
from unlearn.zero_gpu import on_zero_gpu

if TYPE_CHECKING:
    from unlearn.erasers.ccup import Erasure
    from unlearn.ui.runs import FineTuned


@dataclass(frozen=True, eq=False)
class Audited:
    """A finished audit, and the edits that it was of."""

    report: Report
    erasure: Erasure | None
    fine_tuned: FineTuned | None

    def is_of(self, session: Session) -> bool:
        """Whether the edits are still those in force."""
        return _asked(self.erasure) == _asked(session.erasure) and self.fine_tuned is session.fine_tuned


@dataclass(frozen=True, eq=False)
class Compared:
    """A finished comparison of methods on ``concepts``."""

    concepts: tuple[str, ...]
    outcomes: tuple[Outcome, ...]


def _asked(erasure: Erasure | None) -> tuple[Any, Any] | None:
    """What tells two edits apart, without comparing their matrices."""
    return (erasure.selection, erasure.settings) if erasure else None


AuditStatus = Status[Progress | Comparing, Audited | Compared]
Run = Generator[Progress | Comparing, None, Audited | Compared]


def start_audit(services: Services, visitor: Visitor, concept: str = "") -> AuditStatus:
    """Put the attacks on ``concept`` in line; the first erased one if none is named.

    Raises:
        ConceptError: nothing is erased, or not this.
        PictureError: there is no picture of it to attack with.
        JobError: the visitor's last audit is still running, or the line is full.
    """
    session = visitor.session
    erased = _selection(session).forget_names
    name = require_choice("concept", concept, erased) if concept else erased[0]
    (original, *_, edited) = services.variants(session).values()
    training, test = _pictures(services, session, name)
    suspect = Suspect(_concept(session, name), original, edited, training, test, services.vocabulary_of(session))

    def painters() -> tuple[Painter, Painter]:
        if not isinstance(original, OpenClipEncoder):
            raise ModelError("This model drives no diffusion pipeline.")
        painter = services.painters.get("pocket")
        return painter, carried(services, session, painter, original, DrawRequest("")).painter

    def start() -> Run:
        report = yield from on_zero_gpu(lambda: run_audit(suspect, painters))()
        return Audited(report, session.erasure, session.fine_tuned)

    return services.jobs.start(_line(visitor), start)


def start_comparison(services: Services, visitor: Visitor, training_too: bool = False) -> AuditStatus:
    """Put other methods on the erased concepts in line; those that train take minutes.

    Raises:
        ConceptError: nothing is erased.
        ModelError: the model's weights are out of reach.
        JobError: the visitor's last audit is still running, or the line is full.
    """
    session = visitor.session
    selection, encoder = _selection(session), services.encoder_of(session)
    if not isinstance(encoder, OpenClipEncoder):
        raise ModelError("The methods are compared by the weights that they change, and this model shows none.")
    training, test = _pictures(services, session, selection.forget_names[0])
    task = Task(encoder, selection, services.vocabulary_of(session), training, test)
    names = [name for name, method in METHODS.items() if training_too or not method.trains]

    def start() -> Run:
        outcomes = yield from on_zero_gpu(lambda: compare(task, names))()
        return Compared(selection.forget_names, outcomes)

    return services.jobs.start(_line(visitor), start)


def audit_of(services: Services, visitor: Visitor) -> AuditStatus | None:
    """The visitor's audit or comparison as it is now; a finished audit is remembered in the session."""
    status: AuditStatus | None = services.jobs.find(_line(visitor))
    if status is not None and isinstance(status.result, Audited) and status.result is not visitor.session.audited:
        visitor.change(audited=status.result)
    return status


def stop_audit(services: Services, visitor: Visitor) -> AuditStatus | None:
    """Stop it within a step; what was found before stays on screen."""
    return services.jobs.cancel(_line(visitor))


def _line(visitor: Visitor) -> str:
    return visitor.lines["audit"]


def _selection(session: Session) -> Selection:
    if session.erasure is not None:
        return session.erasure.selection
    if session.fine_tuned is not None:
        return session.fine_tuned.erasure.selection
    raise ConceptError("Nothing is erased yet; name at least one concept, such as “cat”, on the left.")


def _concept(session: Session, name: str) -> Concept:
    return next(concept for concept in _selection(session).forget if concept.name == name)


def _pictures(services: Services, session: Session, name: str) -> tuple[Gallery, Gallery]:
    """What to attack with and what to measure on: the server's pictures, or the visitor's where those lack it."""
    if session.uploads and name not in services.training.concepts:
        own = hold_out(session.uploads)
        return own.train, own.test
    return services.training, services.collection(session)
