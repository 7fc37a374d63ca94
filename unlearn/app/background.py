"""A visitor's background runs: each kind is one value, started, found and cancelled in the same way."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from unlearn.app.services import Services
from unlearn.app.session import PAYER, Session, Visitor
from unlearn.jobs import Progress, Status

Asked = TypeVar("Asked")
P = TypeVar("P", bound=Progress)
R = TypeVar("R")


class Plan(NamedTuple, Generic[P, R]):
    """A run that may be queued.

    Attributes:
        begin: begins it.
        duration: tells it from other runs of its kind that take longer or shorter.
    """

    begin: Callable[[], Generator[P, None, R]]
    duration: str = ""


def _nothing(status: Status[P, R]) -> str:
    return ""


def _keep_nothing(visitor: Visitor, result: R, services: Services) -> None:
    pass


@dataclass(frozen=True)
class BackgroundRun(Generic[Asked, P, R]):
    """One kind of background run. A visitor has one of a key at a time; all use the one worker.

    Attributes:
        key: its name among :attr:`unlearn.app.session.Visitor.job_keys`.
        plan: what a request comes to; all that can be wrong with the request is raised there.
        stopped: what to say of one that was cancelled.
        done: what to say of one that is done; "" says nothing.
        keep: puts the result of a finished run into the visitor's session.
    """

    key: str
    plan: Callable[[Services, Session, Asked], Plan[P, R]]
    stopped: str
    done: Callable[[Status[P, R]], str] = _nothing
    keep: Callable[[Visitor, R, Services], None] = _keep_nothing

    def start(self, services: Services, visitor: Visitor, asked: Asked) -> Status[P, R]:
        """Queue the run that ``asked`` describes.

        Raises:
            InvalidInputError, ModelError: it cannot be run; the message says why.
            JobError: the visitor's last run of this key has not ended, the address has as many as it may, or the queue
                is full.
        """
        plan = self.plan(services, visitor.session, asked)
        kind = f"{self.key}/{plan.duration}"
        return services.jobs.start(visitor.job_keys[self.key], plan.begin, kind=kind, payer=PAYER.get())

    def find(self, services: Services, visitor: Visitor) -> Status[P, R] | None:
        """The visitor's run as it is now, or None; the session keeps the result of a finished one."""
        status: Status[P, R] | None = services.jobs.find(visitor.job_keys[self.key])
        if status is not None and status.result is not None:
            self.keep(visitor, status.result, services)
        return status

    def cancel(self, services: Services, visitor: Visitor) -> Status[P, R] | None:
        """Stop the visitor's run within a step; what the session has stays."""
        return services.jobs.cancel(visitor.job_keys[self.key])

    def forget(self, services: Services, visitor: Visitor) -> None:
        """Cancel the visitor's run and free what it made."""
        services.jobs.forget(visitor.job_keys[self.key])
