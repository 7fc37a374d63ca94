"""Other methods beside the visitor's edit, as background runs. No gradio here."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from unlearn.comparison import Comparing, Outcome, compare
from unlearn.encoders import OpenClipEncoder
from unlearn.erasers.methods import METHODS, Task
from unlearn.errors import ModelError
from unlearn.jobs import Status
from unlearn.ui.audits import pictures_of, selection_of
from unlearn.ui.services import Services
from unlearn.ui.session import Visitor
from unlearn.zero_gpu import on_zero_gpu


@dataclass(frozen=True, eq=False)
class Compared:
    """A finished comparison of methods on ``concepts``, erased from ``model``."""

    model: str
    concepts: tuple[str, ...]
    outcomes: tuple[Outcome, ...]


ComparisonStatus = Status[Comparing, Compared]


def start_comparison(services: Services, visitor: Visitor, training_too: bool = False) -> ComparisonStatus:
    """Put the methods, fitted on the erased concepts, in line; those that train take minutes.

    Raises:
        ConceptError: nothing is erased.
        PictureError: there is no picture of a concept to learn from.
        ModelError: the model's weights are out of reach.
        JobError: the visitor's last comparison is still running, or the line is full.
    """
    session = visitor.session
    selection, encoder = selection_of(session), services.encoder_of(session)
    if not isinstance(encoder, OpenClipEncoder):
        raise ModelError("The methods are compared by the weights that they change, and this model shows none.")
    training, test = pictures_of(services, session, selection.forget_names[0])
    task = Task(encoder, selection, services.vocabulary_of(session), training, test)
    names = [name for name, method in METHODS.items() if training_too or not method.trains]

    def start() -> Generator[Comparing, None, Compared]:
        outcomes = yield from on_zero_gpu(lambda: compare(task, names))()
        return Compared(encoder.name, selection.forget_names, outcomes)

    return services.jobs.start(_line(visitor), start)


def comparison_of(services: Services, visitor: Visitor) -> ComparisonStatus | None:
    """The visitor's comparison as it is now."""
    return services.jobs.find(_line(visitor))


def stop_comparison(services: Services, visitor: Visitor) -> ComparisonStatus | None:
    """Stop it within a step; the last one stays on screen."""
    return services.jobs.cancel(_line(visitor))


def _line(visitor: Visitor) -> str:
    return visitor.lines["comparison"]
