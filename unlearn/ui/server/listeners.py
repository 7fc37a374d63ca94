"""Tracking of open streams, to cancel the run of an API client that has disconnected.

A page is different: it may be reloaded, and finds its run again for as long as its visit lasts.

For an assistant, gradio itself listens to the call, and continues after the assistant has disconnected. So the
assistant's request gets a name, which gradio forwards with the other headers: the assistant counts as connected for as
long as that request is open.
"""

from __future__ import annotations

import time
from collections import Counter
from urllib.parse import parse_qs

from gradio.context import LocalContext
from gradio.route_utils import API_PREFIX
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

#: Seconds for a client to open its stream after its call, or to reopen it after its connection broke.
GRACE = 20.0
#: Header with the name of the request through which an assistant waits for its call.
AWAITED_BY = "x-awaited-by"
#: Open streams by their session or call, and assistants' open requests by their names.
_streams: Counter[str] = Counter()


class Listeners:
    """ASGI middleware that counts the open streams of events."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = stream_of(scope)
        if not name:
            await self.app(scope, receive, send)
            return
        _streams[name] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            _streams[name] -= 1
            if not _streams[name]:
                del _streams[name]


def stream_of(scope: Scope) -> str:
    """Return the session or call whose events a request streams, or the name of an assistant's request; else ""."""
    if scope["type"] != "http":
        return ""
    path = str(scope["path"]).removeprefix(scope.get("root_path", "")).removeprefix(API_PREFIX)
    if path.rstrip("/") == "/mcp":
        return Headers(scope=scope).get(AWAITED_BY, "")
    if scope["method"] != "GET":
        return ""
    if path == "/queue/data":
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        return str(query.get("session_hash", [""])[0])
    return path.rstrip("/").rsplit("/", 1)[-1] if path.startswith("/call/") else ""


class Attention:
    """Check whether the client of the current call is still connected; a stream calls it repeatedly."""

    def __init__(self) -> None:
        request = LocalContext.request.get(None)
        assistant = request.headers.get(AWAITED_BY) if request is not None else None
        caller = (getattr(request, "session_hash", None), LocalContext.event_id.get(None))
        self._names = [name for name in ([assistant] if assistant else caller) if name]
        self._last = time.monotonic()

    def __call__(self) -> bool:
        """Return False once no client has listened for :data:`GRACE`; True outside of a request."""
        if not self._names or any(name in _streams for name in self._names):
            self._last = time.monotonic()
        return time.monotonic() - self._last < GRACE
