"""Picture, query and prompt that follow what is erased until the visitor chooses their own. No gradio here."""

from __future__ import annotations

from collections.abc import Callable

from unlearn.app.examples import opening
from unlearn.app.services import Services
from unlearn.app.session import Session, Visitor
from unlearn.app.sources import alone
from unlearn.concepts.prompts import prompts

#: Concepts to draw beside the erased one; the first that is not erased is taken.
BESIDE = ("pizza", "dog", "car")


def follow(services: Services, visitor: Visitor) -> Session:
    """Move the focus to the first erased concept of which there are images, and return the session.

    The chosen image follows, unless the visitor chose one. Without such a concept, both stay as they are.
    """
    session = visitor.session
    shown = {name.casefold() for name in services.collection(session).concepts}
    focus = next((name for name in session.erased if name.casefold() in shown), session.focus)
    if session.image and (focus == session.focus or session.chose_image):
        return visitor.change(focus=focus)
    seen = focus if focus.casefold() in shown else opening(services, session)
    return visitor.change(focus=focus, image=alone(services.clearest_image(session, seen)))


def query_for(session: Session) -> str:
    """Return the query that searches for the session's focus."""
    return prompts(session.focus, ("a {}",))[0]


def prompt_for(session: Session) -> str:
    """Return the prompt that draws the session's focus beside something that is not erased."""
    return ready_prompts(session)["both"]


def ready_prompts(session: Session) -> dict[str, str]:
    """Return a prompt for what is erased, one for another thing, and one for both side by side."""
    erased = query_for(session)
    other = f"a {next((name for name in BESIDE if name not in session.erased), BESIDE[0])}"
    things = {"erased": erased, "another thing": other, "both": f"{erased} and {other}"}
    return {what: f"{thing} on a blue background" for what, thing in things.items()}


def followed(text: str, default: Callable[[Session], str], before: Session, after: Session) -> str:
    """Return what a field holds after an edit: the ``default`` of the session, or ``text`` if the visitor wrote it."""
    return default(after) if text == default(before) else text
