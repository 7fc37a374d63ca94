"""Who still listens: a client of the API that is gone leaves a run that nobody will ever hear the end of.

A page is another matter: it may be reloaded, and finds its run again for as long as its visit lasts.

For an assistant, it is gradio that listens to the call, and goes on to when the assistant is gone. So the assistant's
request gets a name, which gradio passes on with the other headers: while that request is open, somebody listens.
"""

from __future__ import annotations

import time
from collections import Counter
from urllib.parse import parse_qs

from gradio.context import LocalContext
from gradio.route_utils import API_PREFIX
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

#: Seconds in which a client has to begin to listen after it has asked, or again after its connection broke.
GRACE = 20.0
#: The header with the name of the request by which an assistant waits for its call.
AWAITED_BY = "x-awaited-by"
#: Open streams by the session, or the call, whose events they tell; and assistants' requests by their names.
_streams: Counter[str] = Counter()


class Listeners:
    """ASGI middleware that knows which streams of events are open."""

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
    """The session or the call whose events a request wants to hear, or its name if an assistant's; else ""."""
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
    """Whether the one who made the call at hand, a stream, is still there; to be asked again and again."""

    def __init__(self) -> None:
        request = LocalContext.request.get(None)
        assistant = request.headers.get(AWAITED_BY) if request is not None else None
        caller = (getattr(request, "session_hash", None), LocalContext.event_id.get(None))
        self._names = [name for name in ([assistant] if assistant else caller) if name]
        self._last = time.monotonic()

    def __call__(self) -> bool:
        """False once nobody has listened for :data:`GRACE`; True where no request is being answered."""
        if not self._names or any(name in _streams for name in self._names):
            self._last = time.monotonic()
        return time.monotonic() - self._last < GRACE
