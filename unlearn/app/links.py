"""A visitor's choices as the query of an address, and back; what stands in an address is checked like what is typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qsl, urlencode

from unlearn.app.requests import request_of, settings_of
from unlearn.app.services import Services
from unlearn.app.session import ErasureRequest, FineTuneRequest, Session
from unlearn.concepts.named_vocabularies import vocabulary_text
from unlearn.errors import InvalidInputError, ParameterError

#: Browsers and proxies cut addresses that are much longer.
MAX_LENGTH = 4000
MAX_PARAMETERS = 1000
#: Fields of a request to fine-tune that the page has a control for; its concepts are those of the erasure.
TUNED = ("steps", "learning_rate", "trainable", "forgetting")


@dataclass(frozen=True)
class Link:
    """What an address asks for; "" is the app's own model, or vocabulary."""

    model: str = ""
    vocabulary: str = ""
    erasure: ErasureRequest | None = None
    fine_tune: FineTuneRequest | None = None


def write_link(link: Link) -> str:
    """The query of ``link``, from its “?” on; what is as it always is stays out of it.

    Raises:
        ParameterError: it is too long for an address.
    """
    pairs = [(name, text) for name in ("model", "vocabulary") if (text := getattr(link, name))]
    if link.fine_tune:
        pairs += [("method", "cliperase"), *_changed(link.fine_tune, FineTuneRequest(), TUNED)]
    if link.erasure:
        pairs += _changed(link.erasure, ErasureRequest(), tuple(f.name for f in fields(ErasureRequest)))
    query = "?" + urlencode(pairs, safe=",/:")
    if len(query) > MAX_LENGTH:
        raise ParameterError("This is too much for a link: so many words fit into a file only. Send the edit instead.")
    return query


def read_link(query: str) -> Link:
    """What ``query``, without its “?”, asks for; unknown names are left alone, as servers add some of their own.

    Raises:
        ParameterError: a value is not of its kind, or the query is endless.
    """
    try:
        pairs = parse_qsl(query, max_num_fields=MAX_PARAMETERS, keep_blank_values=True)
    except ValueError as error:
        raise ParameterError(f"This link has more than {MAX_PARAMETERS:,} parameters.") from error
    given: dict[str, list[str]] = {}
    for name, text in pairs:
        given.setdefault(name, []).append(text)
    method = given.get("method", ["ccup"])[0]
    if method not in ("ccup", "cliperase"):
        raise ParameterError(f"This link asks for the method {method[:40]!r}; choose one of ccup, cliperase.")
    erasure = _read(ErasureRequest(), given) if "forget" in given else None
    tuned = _read(FineTuneRequest(steps=0, learning_rate=0.0), given, TUNED)
    return Link(
        given.get("model", [""])[0],
        given.get("vocabulary", [""])[0],
        ErasureRequest(**erasure) if erasure else None,
        FineTuneRequest(**tuned) if method == "cliperase" else None,
    )


def link_of(services: Services, session: Session) -> Link:
    """The link that opens the page as it is for this visitor."""
    words = vocabulary_text(session.vocabulary) if session.vocabulary else ""
    erasure, tuned = request_of(services, session), None
    if session.fine_tuned:
        settings = session.fine_tuned.erasure.settings
        suits = settings_of(FineTuneRequest(trainable=settings.trainable), services.settings.max_steps)
        chosen = {name: value for name in TUNED if (value := getattr(settings, name)) != getattr(suits, name)}
        tuned = FineTuneRequest(**chosen | {"trainable": settings.trainable})
        erasure = erasure if erasure.forget else ErasureRequest(session.erased)
    return Link(session.model, words, erasure, tuned)


def link_or_why(services: Services, session: Session) -> tuple[str, str]:
    """The query of :func:`link_of`; "" and the reason where there is none."""
    try:
        return write_link(link_of(services, session)), ""
    except InvalidInputError as error:
        return "", str(error)


def _changed(request: Any, default: Any, names: Sequence[str]) -> list[tuple[str, str]]:
    """The fields of ``request`` that are not as in ``default``, as text."""
    pairs: list[tuple[str, str]] = []
    for name in names:
        value = getattr(request, name)
        if isinstance(value, list | tuple):
            # Names with a comma in them are given one by one; a blank one tells a single such name from a list.
            texts = [*value, ""] if "," in "".join(value) else [",".join(value)]
            # An erasure of nothing is said; a page without one opens with an example.
            pairs += [(name, text) for text in texts] if value or name == "forget" else []
        elif value != getattr(default, name):
            pairs.append((name, str(int(value) if isinstance(value, bool) else value)))
    return pairs


def _read(default: Any, given: Mapping[str, list[str]], names: Sequence[str] | None = None) -> dict[str, Any]:
    """The fields of ``default`` that are ``given``, each as its default's kind."""
    read: dict[str, Any] = {}
    for field in fields(default):
        if field.name in given and (names is None or field.name in names):
            texts, kind = given[field.name], type(getattr(default, field.name))
            try:
                if kind in (tuple, list):
                    read[field.name] = texts[0].split(",") if len(texts) == 1 else [text for text in texts if text]
                else:
                    read[field.name] = bool(int(texts[0])) if kind is bool else kind(texts[0])
            except ValueError as error:
                raise ParameterError(f"{field.name} in this link is {texts[0][:40]!r}; it must be a number.") from error
    return read
