"""Links: a visitor's choices written as the query of an address, and read back with the checks of typed input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from unlearn.app.asked import ErasureRequest, FineTuneRequest
from unlearn.app.requests import fine_tune_request_of, request_of
from unlearn.app.services import Services
from unlearn.app.session import Session
from unlearn.concepts.named_vocabularies import vocabulary_text
from unlearn.errors import InvalidInputError, ParameterError
from unlearn.options import options_of

#: Longest query; browsers and proxies truncate much longer addresses.
MAX_LENGTH = 4000
MAX_PARAMETERS = 1000
#: Fields of a fine-tuning request that the page has a control for; its concepts are those of the erasure.
TUNED = ("steps", "learning_rate", "trainable", "forgetting")


@dataclass(frozen=True)
class Link:
    """Choices that an address holds; "" is the app's own model or vocabulary."""

    model: str = ""
    vocabulary: str = ""
    erasure: ErasureRequest | None = None
    fine_tune: FineTuneRequest | None = None


def write_link(link: Link) -> str:
    """Return the query of ``link``, including its “?”; defaults are left out.

    Raises:
        ParameterError: the query is too long for an address.
    """
    pairs = [(name, text) for name in ("model", "vocabulary") if (text := getattr(link, name))]
    if link.fine_tune:
        pairs += [("method", "cliperase"), *_changed(link.fine_tune, TUNED)]
    if link.erasure:
        pairs += _changed(link.erasure, tuple(options_of(ErasureRequest)))
    query = "?" + urlencode(pairs, safe=",/:")
    if len(query) > MAX_LENGTH:
        raise ParameterError("This is too much for a link: so many words fit into a file only. Send the edit instead.")
    return query


def read_link(query: str) -> Link:
    """Read the link in ``query``, given without its “?”; ignore unknown names, as servers add some of their own.

    Raises:
        ParameterError: a value has the wrong type, or the query is too long.
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
    erasure = _read(ErasureRequest, given) if "forget" in given else None
    tuned = _read(FineTuneRequest, given, TUNED)
    return Link(
        given.get("model", [""])[0],
        given.get("vocabulary", [""])[0],
        ErasureRequest(**erasure) if erasure else None,
        FineTuneRequest(**tuned) if method == "cliperase" else None,
    )


def link_of(services: Services, session: Session) -> Link:
    """Return the link that opens the page with this visitor's model, words and edits."""
    words = vocabulary_text(session.vocabulary) if session.vocabulary else ""
    erasure, tuned = request_of(services, session), None
    if session.fine_tuned:
        tuned = fine_tune_request_of(session.fine_tuned)
        erasure = erasure if erasure.forget else ErasureRequest(session.erased)
    return Link(session.model, words, erasure, tuned)


def link_or_why(services: Services, session: Session) -> tuple[str, str]:
    """Return the query of :func:`link_of` and ""; or "" and the reason why there is no link."""
    try:
        return write_link(link_of(services, session)), ""
    except InvalidInputError as error:
        return "", str(error)


def _changed(request: Any, names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the options ``names`` of ``request`` that differ from their defaults, as text."""
    pairs: list[tuple[str, str]] = []
    for name in names:
        value = getattr(request, name)
        if isinstance(value, list | tuple):
            # Names that contain a comma are written one by one; an empty one marks a single such name as a list.
            texts = [*value, ""] if "," in "".join(value) else [",".join(value)]
            # An empty list of concepts is written out, because a page without ``forget`` opens with an example.
            pairs += [(name, text) for text in texts] if value or name == "forget" else []
        elif value != options_of(type(request))[name].default:
            pairs.append((name, str(int(value) if isinstance(value, bool) else value)))
    return pairs


def _read(request: type[Any], given: Mapping[str, list[str]], names: Sequence[str] | None = None) -> dict[str, Any]:
    """Parse the ``given`` options of ``request`` to their types; ``names`` limits which options are read."""
    read: dict[str, Any] = {}
    for name, option in options_of(request).items():
        if name in given and (names is None or name in names):
            texts = given[name]
            if option.kind is list:
                read[name] = texts[0].split(",") if len(texts) == 1 else [text for text in texts if text]
            else:
                read[name] = option.read(texts[0])
    return read
