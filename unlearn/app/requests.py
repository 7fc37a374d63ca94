"""A visitor's requests: to CCUP, kept beside the erasure that came of it, and to CLIPErase. No gradio here."""

from __future__ import annotations

from dataclasses import asdict, replace

from unlearn.app.services import Services
from unlearn.app.session import (
    RETAIN_NEIGHBOURS,
    RETAIN_OWN,
    ErasureRequest,
    FineTuneRequest,
    Session,
    Visitor,
)
from unlearn.concepts.selection import parse_names
from unlearn.erasers.settings import CLIPEraseSettings
from unlearn.errors import require_whole


def erase(services: Services, visitor: Visitor, request: ErasureRequest) -> Session:
    """Erase what ``request`` names, and keep it; the new session.

    Raises:
        ConceptError, ParameterError: it cannot be used; the message says what is allowed.
    """
    session = visitor.session
    return visitor.change(since=session, erasure=services.erase(session, request), request=cleaned(request))


def request_of(services: Services, session: Session) -> ErasureRequest:
    """What was asked for to get the session's CCUP erasure; without one, what gets none.

    An erasure from a file comes without its request: what it retains tells which request makes it here.
    """
    if session.erasure is None:
        return ErasureRequest()
    if session.request is not None:
        return session.request
    settings, selection = session.erasure.settings, session.erasure.selection
    forget, retain = selection.forget_names, selection.retain
    request = ErasureRequest(
        list(forget),
        settings.strength,
        settings.form,
        settings.side,
        own_retain=[],
        lam=settings.lam,
        mu=settings.mu,
        synonyms=settings.synonyms,
    )
    if retain == services.vocabulary_of(session).without(forget):
        return request
    if retain == services.neighbours(session, forget):
        return replace(request, retain=RETAIN_NEIGHBOURS)
    return replace(request, retain=RETAIN_OWN, own_retain=list(retain))


def cleaned(request: ErasureRequest) -> ErasureRequest:
    """``request`` as it is kept and compared: each name once, and a list of one's own only where it is retained.

    Raises:
        ConceptError: a name in it cannot be used.
    """
    own = parse_names(request.own_retain, most=len(request.own_retain)) if request.retain == RETAIN_OWN else ()
    return replace(request, forget=list(parse_names(request.forget)), own_retain=list(own))


def settings_of(request: FineTuneRequest, most_steps: int) -> CLIPEraseSettings:
    """What ``request`` says, and what suits where it says nothing.

    Raises:
        ParameterError: a number or a choice outside of what is allowed.
    """
    asked = {name: value for name, value in asdict(request).items() if name != "forget" and value is not None}
    settings = CLIPEraseSettings.of(**asked)
    if request.steps is None:
        return replace(settings, steps=min(settings.steps, most_steps))
    require_whole("steps", request.steps, largest=most_steps)
    return settings
