"""Comparisons of other methods with the visitor's edit, as background runs. No gradio here."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from unlearn.app.runs.background import BackgroundRun, Plan
from unlearn.app.services import Services, selection_of
from unlearn.app.session import Session
from unlearn.data.gallery import Gallery
from unlearn.erasers.methods import COMPARED, Task
from unlearn.progress import Status
from unlearn.sweeps.comparison import ComparisonProgress, Outcome, compare

SHOWS_NO_WEIGHTS = "The methods are compared by the weights that they change, and this model shows none."


@dataclass(frozen=True, eq=False)
class ComparedMethods:
    """A finished comparison of methods on ``concepts``, erased from ``model``."""

    model: str
    concepts: tuple[str, ...]
    outcomes: tuple[Outcome, ...]


ComparisonStatus = Status[ComparisonProgress, ComparedMethods]


def outcomes_of(status: ComparisonStatus) -> tuple[Outcome, ...]:
    """Return the outcomes so far, those of a run that was stopped too."""
    if status.result is not None:
        return status.result.outcomes
    return status.progress[-1].outcomes if status.progress else ()


def _plan(services: Services, session: Session, training_too: bool) -> Plan[ComparisonProgress, ComparedMethods]:
    """Plan the comparison on the erased concepts; ``training_too`` adds the methods that train, which take minutes.

    Raises:
        ConceptError: no concept is erased.
        ModelError: the model's weights are not accessible.
    """
    selection = selection_of(session)
    encoder = services.open_clip_encoder_of(session, SHOWS_NO_WEIGHTS)
    probe = services.measured_on(session, selection.forget_names)
    names = [name for name, method in COMPARED.items() if training_too or not method.trains]

    def begin() -> Generator[ComparisonProgress, None, ComparedMethods]:
        training = _training(services, session, selection.forget_names)
        task = Task(encoder, selection, services.vocabulary_of(session), training, probe)
        outcomes = yield from compare(task, names)
        return ComparedMethods(encoder.name, selection.forget_names, outcomes)

    return Plan(begin, "trained" if training_too else "")


COMPARISON = BackgroundRun("comparison", _plan, stopped="Stopped. What was measured until then is here.")


def _training(services: Services, session: Session, names: Sequence[str]) -> Gallery:
    """Return the server's training images, with the visitor's added where the server has none for one of ``names``."""
    if session.uploads is None or set(names) <= set(services.training.concepts):
        return services.training
    return session.uploads.train.after(services.training)
