"""Background runs of a visitor. Each kind of run is one value; all are started, found and cancelled the same way."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from unlearn.app.services import Services
from unlearn.app.session import PAYER, Session, Visitor
from unlearn.progress import Progress, Status

Asked = TypeVar("Asked")
P = TypeVar("P", bound=Progress)
R = TypeVar("R")


class Plan(NamedTuple, Generic[P, R]):
    """A run that is ready to be queued.

    Attributes:
        begin: starts the run.
        duration: a key that separates it from shorter or longer runs of the same kind when waiting times are estimated.
    """

    begin: Callable[[], Generator[P, None, R]]
    duration: str = ""


def _nothing(status: Status[P, R]) -> str:
    return ""


def _keep_nothing(visitor: Visitor, result: R, services: Services) -> None:
    pass


@dataclass(frozen=True)
class BackgroundRun(Generic[Asked, P, R]):
    """One kind of background run. A visitor has at most one run per key; all runs share one worker.

    Attributes:
        key: the key of its jobs, one of :attr:`unlearn.app.session.Visitor.job_keys`.
        plan: turns a request into a plan; every error in the request is raised there.
        stopped: the text shown for a cancelled run.
        done: the text shown for a finished run; "" shows none.
        keep: stores the result of a finished run in the visitor's session.
    """

    key: str
    plan: Callable[[Services, Session, Asked], Plan[P, R]]
    stopped: str
    done: Callable[[Status[P, R]], str] = _nothing
    keep: Callable[[Visitor, R, Services], None] = _keep_nothing

    def start(self, services: Services, visitor: Visitor, asked: Asked) -> Status[P, R]:
        """Queue the run that ``asked`` describes.

        Raises:
            InvalidInputError, ModelError: the run is not possible; the message gives the reason.
            JobError: the visitor's last run of this key has not ended, the address has reached its limit, or the queue
                is full.
        """
        key, payer = visitor.job_keys[self.key], PAYER.get()
        services.jobs.require_room(key, payer)
        plan = self.plan(services, visitor.session, asked)
        return services.jobs.start(key, plan.begin, kind=f"{self.key}/{plan.duration}", payer=payer)

    def find(self, services: Services, visitor: Visitor) -> Status[P, R] | None:
        """Return the current state of the visitor's run, or None; store the result of a finished run in the session."""
        status: Status[P, R] | None = services.jobs.find(visitor.job_keys[self.key])
        if status is not None and status.result is not None:
            self.keep(visitor, status.result, services)
        return status

    def cancel(self, services: Services, visitor: Visitor) -> Status[P, R] | None:
        """Stop the visitor's run within one step; the session stays unchanged."""
        return services.jobs.cancel(visitor.job_keys[self.key])

    def forget(self, services: Services, visitor: Visitor) -> None:
        """Cancel the visitor's run and free its result."""
        services.jobs.forget(visitor.job_keys[self.key])
