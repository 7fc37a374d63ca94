"""A visitor's requests: for CCUP, stored beside the resulting erasure, and for CLIPErase. No gradio here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace

from unlearn.app.asked import RETAIN_NEIGHBOURS, RETAIN_OWN, ErasureRequest, FineTuneRequest
from unlearn.app.edits import FineTuned
from unlearn.app.services import Services
from unlearn.app.session import Session, Visitor
from unlearn.concepts.selection import Vocabulary, parse_names
from unlearn.erasers.settings import CLIPEraseSettings
from unlearn.errors import require_whole
from unlearn.options import shared_options


def erase(services: Services, visitor: Visitor, request: ErasureRequest) -> Session:
    """Erase the concepts of ``request``, store both in the session, and return the new session.

    The strength is also that of a fine-tuned model, if it can follow (:meth:`unlearn.app.edits.FineTuned.at`).

    Raises:
        ConceptError, ParameterError: the request is not valid; the message lists what is allowed.
    """
    session = visitor.session
    erasure = services.erase(session, request)
    tuned = session.fine_tuned and session.fine_tuned.at(erasure.settings.strength)
    return visitor.change(since=session, erasure=erasure, request=cleaned(request), fine_tuned=tuned)


def undo(visitor: Visitor, *, again: bool = False) -> Session:
    """Return to the erasure before the last change, or with ``again`` to the one that was undone, if there is one."""
    session = visitor.session
    kept, others = (session.future, session.past) if again else (session.past, session.future)
    if not kept:
        return session
    erasure, request = kept[-1]
    kept, others = kept[:-1], (*others, (session.erasure, session.request))
    past, future = (others, kept) if again else (kept, others)
    tuned = session.fine_tuned.at(erasure.settings.strength) if session.fine_tuned and erasure else session.fine_tuned
    return visitor.change(erasure=erasure, request=request, fine_tuned=tuned, past=past, future=future)


def request_of(services: Services, session: Session) -> ErasureRequest:
    """Return the request behind the session's CCUP erasure; without an erasure, an empty request.

    An erasure from a file has no request; one is derived from its retain set.
    """
    if session.erasure is None:
        return ErasureRequest()
    if session.request is not None:
        return session.request
    settings, selection = session.erasure.settings, session.erasure.selection
    forget, retain = selection.forget_names, selection.retain
    request = ErasureRequest(list(forget), own_retain=[], **shared_options(ErasureRequest, settings))
    if retain == services.vocabulary_of(session).without(forget):
        return request
    if retain == services.neighbours(session, forget):
        return replace(request, retain=RETAIN_NEIGHBOURS)
    return replace(request, retain=RETAIN_OWN, own_retain=list(retain))


def fine_tune_request_of(tuned: FineTuned) -> FineTuneRequest:
    """Return the request behind a fine-tuned model; for one from a file, the shortest request for its settings."""
    if tuned.asked is not None:
        return tuned.asked
    settings = tuned.erasure.settings
    asked = FineTuneRequest(tuned.forget_names, **shared_options(FineTuneRequest, settings))
    automatic = CLIPEraseSettings.of(settings.trainable)
    return replace(
        asked,
        steps=None if settings.steps == automatic.steps else settings.steps,
        learning_rate=None if settings.learning_rate == automatic.learning_rate else settings.learning_rate,
    )


def cleaned(request: ErasureRequest) -> ErasureRequest:
    """Return ``request`` as it is stored and compared: no duplicate names, and a custom list only if it is retained.

    Raises:
        ConceptError: a name in the request is not valid.
    """
    own = parse_names(request.own_retain, most=len(request.own_retain)) if request.retain == RETAIN_OWN else ()
    return replace(request, forget=list(parse_names(request.forget)), own_retain=list(own))


def replaced(vocabulary: Vocabulary, forget: Sequence[str], erase: str, gone: Collection[str]) -> list[str]:
    """Return ``forget`` with ``erase`` at its end, "" for nothing, and without the words for any of ``gone``."""
    out = {name.casefold() for name in gone if name}

    def meant(word: str) -> set[str]:
        known = vocabulary.find(word)
        return {word.casefold(), known.name.casefold() if known else ""}

    kept = [word for word in forget if meant(word).isdisjoint({*out, erase.casefold()})]
    return [*kept, erase] if erase else kept


def settings_of(request: FineTuneRequest, most_steps: int) -> CLIPEraseSettings:
    """Return the settings of ``request``, with automatic values where it gives none.

    Raises:
        ParameterError: a number or a choice is not allowed.
    """
    asked = {name: value for name, value in asdict(request).items() if name != "forget" and value is not None}
    settings = CLIPEraseSettings.of(**asked)
    if request.steps is None:
        return replace(settings, steps=min(settings.steps, most_steps))
    require_whole("steps", request.steps, largest=most_steps)
    return settings
