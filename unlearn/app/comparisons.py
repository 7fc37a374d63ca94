"""Other methods beside the visitor's edit, as background runs. No gradio here."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import torch

from unlearn.app.audits import measured_on, selection_of
from unlearn.app.services import Services
from unlearn.app.session import Session, Visitor
from unlearn.clip.encoders import OpenClipEncoder
from unlearn.data.gallery import Gallery, image_features, remember_features
from unlearn.erasers.methods import METHODS, Task
from unlearn.errors import ModelError
from unlearn.jobs import Progress, Status
from unlearn.sweeps.comparison import Outcome, compare


@dataclass(frozen=True, eq=False)
class Compared:
    """A finished comparison of methods on ``concepts``, erased from ``model``."""

    model: str
    concepts: tuple[str, ...]
    outcomes: tuple[Outcome, ...]


ComparisonStatus = Status[Progress, Compared]


def start_comparison(services: Services, visitor: Visitor, training_too: bool = False) -> ComparisonStatus:
    """Put the methods, fitted on the erased concepts, in line; those that train take minutes.

    Raises:
        ConceptError: nothing is erased.
        ModelError: the model's weights are out of reach.
        JobError: the visitor's last comparison is still running, or the line is full.
    """
    session = visitor.session
    selection, encoder = selection_of(session), services.encoder_of(session)
    if not isinstance(encoder, OpenClipEncoder):
        raise ModelError("The methods are compared by the weights that they change, and this model shows none.")
    probe = measured_on(services, session, selection.forget_names)
    names = [name for name, method in METHODS.items() if training_too or not method.trains]

    def start() -> Generator[Progress, None, Compared]:
        training = _training(services, session, encoder, selection.forget_names)
        task = Task(encoder, selection, services.vocabulary_of(session), training, probe)
        outcomes = yield from compare(task, names)
        return Compared(encoder.name, selection.forget_names, outcomes)

    return services.start(visitor, "comparison", start, "trained" if training_too else "")


def _training(services: Services, session: Session, encoder: OpenClipEncoder, names: Sequence[str]) -> Gallery:
    """The server's pictures to learn from, and the visitor's with them where they lack one of ``names``."""
    if session.uploads is None or set(names) <= set(services.training.concepts):
        return services.training
    parts = (services.training, session.uploads.train)
    both = Gallery("both", tuple(picture for part in parts for picture in part))
    remember_features(encoder, both, torch.cat([image_features(encoder, part) for part in parts if len(part)]))
    return both


def comparison_of(services: Services, visitor: Visitor) -> ComparisonStatus | None:
    """The visitor's comparison as it is now."""
    return services.jobs.find(visitor.lines["comparison"])


def stop_comparison(services: Services, visitor: Visitor) -> ComparisonStatus | None:
    """Stop it within a step; the last one stays on screen."""
    return services.jobs.cancel(visitor.lines["comparison"])
