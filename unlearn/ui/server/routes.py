"""Allowed routes of the web server: a list of paths and methods. Every other path is not found.

Gradio serves much more than this app uses: calls past the queue (``run``, ``api``), a proxy for web addresses,
components' own functions, stored copies of pages, recordings, monitoring, a history of calls, code editing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gradio.route_utils import API_PREFIX

#: Longest path, and longest file name in one, that a file system accepts.
LONGEST_PATH, LONGEST_NAME = 2048, 255

SESSION = r"[A-Za-z0-9_-]{1,64}"
NAME = r"[A-Za-z0-9_]{1,64}"


class Takes(Enum):
    """Kind of body that a route accepts."""

    NOTHING = "nothing"
    JSON = "JSON"
    FILES = "files"


class Turn(Enum):
    """Kind of request that waits for its turn among those of the same address."""

    WORK = "rendering or computing"
    UPLOAD = "sending files"
    STREAM = "following a run"


@dataclass(frozen=True)
class Route:
    """A path that is open.

    Attributes:
        pattern: the path, without the prefix of a proxy; its named groups are the variable parts.
        methods: the allowed methods, besides ``OPTIONS``.
        takes: the kind of body.
        counted: whether requests count towards the limit per minute. A rejected stream looks like a broken connection,
            and files from the disk cost next to nothing, so those do not count.
        turn: the turn that a request takes until its response begins; an event's is known from its body.
    """

    pattern: re.Pattern[str]
    methods: frozenset[str]
    takes: Takes = Takes.NOTHING
    counted: bool = True
    turn: Turn | None = None


def _route(pattern: str, methods: str = "GET", takes: Takes = Takes.NOTHING, **more: Any) -> Route:
    return Route(re.compile(pattern), frozenset(methods.split()), takes, **more)


def _api(pattern: str, methods: str = "GET", takes: Takes = Takes.NOTHING, **more: Any) -> Route:
    return _route(re.escape(API_PREFIX) + pattern, methods, takes, **more)


ROUTES = (
    _route(r"/", "GET HEAD", turn=Turn.WORK),
    _route(r"/config", turn=Turn.WORK),
    _route(r"/(?:manifest\.json|favicon\.ico|robots\.txt|theme\.css)"),
    _route(r"/(?:assets|static)/(?P<file>.+)", counted=False),
    _api(r"/(?:info|openapi\.json)", turn=Turn.WORK),
    _api(r"/(?:app_id|startup-events)"),
    _api(r"/heartbeat/(?P<session_hash>" + SESSION + ")", counted=False),
    _api(r"/queue/join", "POST", Takes.JSON),
    _api(r"/queue/data", counted=False),
    _api(r"/call/(?P<name>" + NAME + ")", "POST", Takes.JSON),
    _api(r"/call/v2/(?P<name_v2>" + NAME + ")", "POST", Takes.JSON),
    _api(r"/call/(?:v2/)?" + NAME + r"/(?P<event_id>" + SESSION + ")", counted=False),
    _api(r"/(?:cancel|reset)", "POST", Takes.JSON),
    _api(r"/upload", "POST", Takes.FILES, turn=Turn.UPLOAD),
    _api(r"/upload_progress"),
    _api(r"/file=(?P<file>.+)", "GET HEAD", counted=False),
    _api(r"/mcp/?", "GET POST DELETE", Takes.JSON),
    _api(r"/mcp/(?:schema|sse)"),
    _api(r"/mcp/messages/", "POST", Takes.JSON),
)


def find_route(path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the open route of ``path`` and the variable parts of the path; None if there is no such route."""
    if not path.isprintable() or "\\" in path or len(path) > LONGEST_PATH:
        return None
    for route in ROUTES:
        if match := route.pattern.fullmatch(path):
            found = {name: value for name, value in match.groupdict().items() if value is not None}
            return (route, found) if _may_be_a_file(found.get("file", "")) else None
    return None


def _may_be_a_file(path: str) -> bool:
    """Return whether ``path`` can be a file in gradio's cache; gradio would download a web address."""
    parts = path.split("/")
    return "://" not in path and ".." not in parts and all(len(part.encode()) <= LONGEST_NAME for part in parts)
