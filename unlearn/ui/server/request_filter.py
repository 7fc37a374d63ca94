"""Filter for all requests to the web server: it limits their kind, number and size, and sets response headers.

It is the outermost middleware, so that a request on which gradio would fail is rejected first, with a sentence.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import re
import time
from collections.abc import Mapping, MutableMapping
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

import gradio as gr
from gradio.route_utils import API_PREFIX
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unlearn.config import Settings
from unlearn.errors import lacking
from unlearn.ui.server.bodies import LONGEST, BadRequestError, Bodies, read_json
from unlearn.ui.server.listeners import AWAITED_BY
from unlearn.ui.server.rate_limit import RateLimit
from unlearn.ui.server.routes import SESSION, Route, Takes, find_route
from unlearn.ui.server.sessions import Visits
from unlearn.ui.server.turns import TurnError, Turns, turn_of

MEGABYTE = 1_000_000
MCP = f"{API_PREFIX}/mcp"
#: Seconds for a body to arrive, plus one second for each so many bytes that have arrived.
BODY_SECONDS, SLOWEST = 20.0, 10_000
#: Bytes of a body that are read in a second at most.
FASTEST = 10 * MEGABYTE
#: Largest size in bytes of all headers together, and of a query.
LONGEST_HEAD = 65_536
#: Form of a host name, with or without a port, as gradio writes it into the page.
HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?")
ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]{1,30}://" + HOST.pattern)
RANGE = re.compile(r"bytes=[0-9]{0,15}-[0-9]{0,15}")
MULTIPART = re.compile(r"multipart/form-data\s*;\s*boundary=\"?[^\"\s;]{1,200}\"?\s*", re.IGNORECASE)
#: Names in the queries of routes, and whether each is required.
NAMED = (
    (f"{API_PREFIX}/queue/data", "session_hash", True),
    (f"{API_PREFIX}/upload_progress", "upload_id", True),
    (f"{API_PREFIX}/upload", "upload_id", False),
)
#: Query names that gradio would read: stored pages, and pages other than the only one.
UNREAD = frozenset({"deep_link", "page"})

logger = logging.getLogger(__name__)


class RequestFilter:
    """ASGI middleware around the whole app.

    Args:
        app: the app to protect.
        settings: the limits.
        demo: the page, whose events are known; without one, bodies are passed on unchecked.
        visits: the visits that calls belong to.
        open_requests: open requests allowed per address; the number in the settings, if enough files may be open.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        demo: gr.Blocks | None = None,
        visits: Visits | None = None,
        open_requests: int | None = None,
    ) -> None:
        self.app = app
        self.settings = settings
        self.rate_limit = RateLimit(settings.requests_per_minute)
        self.hosts = host_names(settings.allowed_hosts, settings.host)
        self.headers = security_headers(settings.frame_ancestors)
        self.turns = Turns(demo, open_requests or settings.connections_per_address)
        self.bodies = Bodies(demo) if demo else None
        self.visits = visits
        self.prefix = urlsplit(getattr(demo, "root_path", "") or "").path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Answer(send, self.headers)
        try:
            with self.turns.open_request(_address(scope)):
                async with answer.turn:
                    await self._let_in(scope, receive, answer)
        except _RefusedError as refused:
            await answer.refuse(scope, receive, refused.status, str(refused), refused.headers)
        except BadRequestError as error:
            await answer.refuse(scope, receive, error.status, str(error))
        except TurnError as busy:
            await answer.refuse(scope, receive, 429, str(busy), {"Retry-After": "5"})
        except Exception as error:
            await self._last_resort(error, scope, receive, answer)

    async def _let_in(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        path = scope["path"]
        if self.prefix and (path == self.prefix or path.startswith(f"{self.prefix}/")):
            path = path.removeprefix(self.prefix) or "/"
        route, varying = self._admitted(scope, path)
        # A proxy may keep its prefix or remove it; mounted apps need it, and the filter lets it pass.
        scope["root_path"], scope["path"] = self.prefix, self.prefix + path
        _clean(scope)
        if path.startswith(MCP):
            _name_the_visitor(scope)
        if path.rstrip("/") == MCP:
            MutableHeaders(scope=scope)[AWAITED_BY] = uuid4().hex
        receive = self._measured(scope, receive, route)
        if route.turn:
            await answer.turn.enter_async_context(self.turns.turn(_address(scope), route.turn))
        if route.takes is Takes.JSON and scope["method"] == "POST":
            body = read_json(await _whole(receive))
            if not path.startswith(MCP) and self.bodies:
                body = await self._checked(scope, path, varying, body, answer.turn)
            receive = _again(scope, json.dumps(body).encode(), receive)
        await self.app(scope, receive, answer)

    def _admitted(self, scope: Scope, path: str) -> tuple[Route, Mapping[str, str]]:
        """Return the route of an accepted request, and the variable parts of its path.

        Raises:
            _RefusedError: the request is rejected.
        """
        headers, method = Headers(scope=scope), scope["method"]
        named = [name.strip() for key in ("host", "x-forwarded-host") for name in headers.get(key, "").split(",")]
        if not all(HOST.fullmatch(name) for name in named if name) or len(headers.getlist("host")) > 1:
            raise _RefusedError(400, "The request names no host that there can be.")
        if self.hosts and not {_without_port(name) for name in named if name} <= self.hosts:
            raise _RefusedError(
                400, "The app does not answer to this host name; UNLEARN_ALLOWED_HOSTS lists those it does."
            )
        if sum(len(name) + len(value) for name, value in scope["headers"]) > LONGEST_HEAD:
            raise _RefusedError(431, f"The request's headers are too long; at most {LONGEST_HEAD:,} bytes are allowed.")
        if len(scope.get("query_string", b"")) > LONGEST_HEAD:
            raise _RefusedError(414, f"The address is too long; at most {LONGEST_HEAD:,} bytes are allowed.")
        found = find_route(path)
        if found is None:
            raise _RefusedError(404, "There is nothing here.")
        route, varying = found
        if method not in route.methods and method != "OPTIONS":
            raise _RefusedError(405, f"Ask for this with {', '.join(sorted(route.methods))}.")
        if int(headers.get("content-length") or 0) > self._largest(route):
            raise self._too_large(route)
        kind = headers.get("content-type", "")
        if method == "POST" and route.takes is Takes.JSON and kind.split(";")[0].strip().lower() != "application/json":
            raise _RefusedError(415, "Send the request as application/json.")
        if method == "POST" and route.takes is Takes.FILES and not MULTIPART.fullmatch(kind):
            raise _RefusedError(415, "Send files as multipart/form-data, with its boundary.")
        if route.counted or method == "POST":
            seconds = math.ceil(self.rate_limit.wait(_address(scope)))
            if seconds:
                most = self.settings.requests_per_minute
                sentence = f"Too many requests from your address, more than {most:,} a minute; wait {seconds} s."
                raise _RefusedError(429, sentence, {"Retry-After": str(seconds)})
        self._look_up(scope, path, varying)
        return route, varying

    def _look_up(self, scope: Scope, path: str, varying: Mapping[str, str]) -> None:
        """Check that everything the request refers to exists.

        Raises:
            _RefusedError: it does not.
        """
        asked = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))
        for where, key, needed in NAMED:
            value = asked.get(key)
            if path == where and (needed or value is not None) and not re.fullmatch(SESSION, value or ""):
                raise _RefusedError(400, f"{key} must be 1 to 64 letters and digits.")
        if "event_id" in varying and self.turns.is_unknown(varying["event_id"]):
            raise _RefusedError(404, "There is no event of this name, or its answer has been fetched.")

    async def _checked(
        self, scope: Scope, path: str, varying: Mapping[str, str], body: Any, turn: AsyncExitStack
    ) -> dict[str, Any]:
        """Return the checked body to pass on; an event waits here for its turn.

        Raises:
            BadRequestError, BusyError, _RefusedError: the request is rejected.
        """
        assert self.bodies is not None  # noqa: S101  checked by the caller
        if path == f"{API_PREFIX}/cancel":
            return self.bodies.cancel(body)
        if path == f"{API_PREFIX}/reset":
            return self.bodies.reset(body)
        passed, fn = self.bodies.event(varying, body)
        if "name_v2" in varying:
            scope["path"] = f"{self.prefix}{API_PREFIX}/call/{varying['name_v2']}"
        # Gradio would give a call without a session one of its own, which no limit counts.
        passed["session_hash"] = passed["session_hash"] or uuid4().hex
        await turn.enter_async_context(self.turns.turn(_address(scope), turn_of(fn)))
        # A new visit takes as much time as a page, so it waits for its turn too.
        if self.visits and not self.visits.admit(passed["session_hash"], _address(scope)):
            raise _RefusedError(429, "Too many pages are open at your address, and all are busy; close some.")
        return passed

    def _largest(self, route: Route) -> int:
        return LONGEST if route.takes is Takes.JSON else self.settings.max_request_mb * MEGABYTE

    def _too_large(self, route: Route) -> _RefusedError:
        most = self._largest(route) // MEGABYTE
        return _RefusedError(413, f"The request is too large; at most {most} MB are allowed.")

    def _measured(self, scope: Scope, receive: Receive, route: Route) -> Receive:
        """Return ``receive`` with limits on size and time: a body's length may be missing or wrong."""
        left, came, begun, more = self._largest(route), 0, time.monotonic(), True

        async def counted() -> Message:
            nonlocal left, came, more
            if not more:
                return await receive()  # waits for the client to disconnect
            try:
                async with asyncio.timeout(begun + BODY_SECONDS + came / SLOWEST - time.monotonic()):
                    message = await receive()
            except TimeoutError:
                raise _RefusedError(408, "The request took too long to arrive.", {"Connection": "close"}) from None
            size = len(message.get("body", b""))
            more = bool(message.get("more_body", False))
            self.rate_limit.charge(_address(scope), size / MEGABYTE)
            # Whoever sends faster would keep the server from all others.
            await asyncio.sleep(size / FASTEST)
            came += size
            left -= size
            if left < 0:
                raise self._too_large(route)
            return message

        return counted

    async def _last_resort(self, error: Exception, scope: Scope, receive: Receive, answer: _Answer) -> None:
        """Answer a request that failed, and log one line without any of the visitor's data."""
        # An upload to a full disk fails before any event, and so before :mod:`unlearn.ui.guard`.
        if sentence := lacking(error):
            status = 507
        elif cause := _refusal_within(error):
            status, sentence = cause.status_code, str(cause.detail)
        else:
            number, status = uuid4().hex[:8], 500
            sentence = f"Something went wrong on our side (error {number}); nothing was changed. Try again."
            logger.error("error %s in the web server: %s", number, place_of(error))
        await answer.refuse(scope, receive, status, sentence)


class _RefusedError(Exception):
    """Rejection of a request, with the status and headers of the response."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers


class _Answer:
    """``send`` that adds headers to the response.

    Attributes:
        turn: what the request holds until its response begins: how fast its client reads must not matter to others.
    """

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self.turn = AsyncExitStack()
        self._send = send
        self._headers = headers
        self._begun = self._streams = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers.setdefault(name, value)
            kind = headers.get("content-type", "")
            self._streams = kind.startswith("text/event-stream")
            # The page contains the address it was requested under; a shared cache must not serve it to others.
            if kind.startswith("text/html"):
                headers["Cache-Control"] = "no-store"
            await self.turn.aclose()
        await self._send(message)

    async def refuse(
        self, scope: Scope, receive: Receive, status: int, sentence: str, headers: dict[str, str] | None = None
    ) -> None:
        """Respond with a ``detail`` that the page shows and a client reports; a response that has begun ends early."""
        if not self._begun:
            await JSONResponse({"detail": sentence}, status, headers)(scope, receive, self)
        elif self._streams:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        # Otherwise it stays incomplete, and uvicorn closes the connection: half a file must not look complete.


def _refusal_within(error: BaseException | None) -> HTTPException | None:
    """Return the HTTP error that gradio raised too late to send it."""
    while error is not None and not isinstance(error, HTTPException):
        error = error.__cause__ or error.__context__
    return error


def place_of(error: BaseException) -> str:
    """Return the type of ``error`` and the line that raised it, without its message."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    line = f" in {frame.tb_frame.f_globals.get('__name__')}, line {frame.tb_lineno}" if frame else ""
    return type(error).__name__ + line


async def _whole(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _RefusedError(400, "The request ended early.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _again(scope: Scope, body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives ``body``, and then continues with ``receive``."""
    MutableHeaders(scope=scope)["content-length"] = str(len(body))
    left = [body]

    async def given() -> Message:
        return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

    return given


def _clean(scope: Scope) -> None:
    """Remove headers and query parameters that gradio would fail to read."""
    headers = MutableHeaders(scope=scope)
    del headers["x-gradio-server"]  # of gradio's front server, which this app does not use
    for name, pattern in (("origin", ORIGIN), ("range", RANGE)):
        if not pattern.fullmatch(headers.get(name, "")):
            del headers[name]
    query = scope.get("query_string", b"").decode("latin-1")
    if any(name in query for name in UNREAD):
        pairs = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in UNREAD]
        scope["query_string"] = urlencode(pairs).encode()


def security_headers(frame_ancestors: str) -> dict[str, str]:
    """Return the security headers of every response.

    Gradio's page contains scripts and compiles event handlers, so both must be allowed; no other host may be contacted.
    """
    policy = {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": frame_ancestors,
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    }


def _address(scope: Scope) -> str:
    """Return the visitor's address; uvicorn has read it from X-Forwarded-For if the proxy is trusted."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def host_names(listed: str, own: str = "") -> frozenset[str]:
    """Return the names in a comma-separated list; if there are any, add this machine's own, which gradio uses."""
    names = {name.strip().lower() for name in listed.split(",") if name.strip()}
    own = f"[{own.strip('[]')}]" if ":" in own else own
    return frozenset(names | {"localhost", "127.0.0.1", "[::1]", own.lower()}) if names else frozenset()


def _without_port(host: str) -> str:
    return host.rsplit(":", 1)[0].lower() if host.rsplit(":", 1)[-1].isdigit() else host.lower()


def _name_the_visitor(scope: MutableMapping[str, Any]) -> None:
    """Name the visitor in the headers, which gradio forwards with an assistant's call, so that the visitor pays."""
    headers = MutableHeaders(scope=scope)
    headers["x-forwarded-for"] = _address(scope)
