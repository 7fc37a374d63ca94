"""Filter for all requests to the web server: it limits their kind, number and size, and sets response headers.

It is the outermost middleware, so that a request on which gradio would fail is rejected first, with a sentence.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import gradio as gr
from gradio.route_utils import API_PREFIX
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unlearn.config import Settings
from unlearn.errors import lacking
from unlearn.logs import log_error
from unlearn.ui.server.bodies import LONGEST, BadRequestError, Bodies, read_json
from unlearn.ui.server.listeners import AWAITED_BY
from unlearn.ui.server.rate_limit import RateLimit
from unlearn.ui.server.responses import Answer, security_headers
from unlearn.ui.server.routes import SESSION, Route, Takes, find_route
from unlearn.ui.server.scopes import HOST, address_of, again, clean, host_names, name_the_visitor, without_port
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
MULTIPART = re.compile(r"multipart/form-data\s*;\s*boundary=\"?[^\"\s;]{1,200}\"?\s*", re.IGNORECASE)
#: Names in the queries of routes, and whether each is required.
NAMED = (
    (f"{API_PREFIX}/queue/data", "session_hash", True),
    (f"{API_PREFIX}/upload_progress", "upload_id", True),
    (f"{API_PREFIX}/upload", "upload_id", False),
)


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
        answer = Answer(send, self.headers)
        try:
            with self.turns.open_request(address_of(scope)):
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

    async def _let_in(self, scope: Scope, receive: Receive, answer: Answer) -> None:
        path = scope["path"]
        if self.prefix and (path == self.prefix or path.startswith(f"{self.prefix}/")):
            path = path.removeprefix(self.prefix) or "/"
        route, varying = self._admitted(scope, path)
        # A proxy may keep its prefix or remove it; mounted apps need it, and the filter lets it pass.
        scope["root_path"], scope["path"] = self.prefix, self.prefix + path
        clean(scope)
        if path.startswith(MCP):
            name_the_visitor(scope)
        if path.rstrip("/") == MCP:
            MutableHeaders(scope=scope)[AWAITED_BY] = uuid4().hex
        receive = self._measured(scope, receive, route)
        if route.turn:
            await answer.turn.enter_async_context(self.turns.turn(address_of(scope), route.turn))
        if route.takes is Takes.JSON and scope["method"] == "POST":
            body = read_json(await _whole(receive))
            if not path.startswith(MCP) and self.bodies:
                body = await self._checked(scope, path, varying, body, answer.turn)
            receive = again(scope, json.dumps(body).encode(), receive)
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
        if self.hosts and not {without_port(name) for name in named if name} <= self.hosts:
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
            seconds = math.ceil(self.rate_limit.wait(address_of(scope)))
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
        await turn.enter_async_context(self.turns.turn(address_of(scope), turn_of(fn)))
        # A new visit takes as much time as a page, so it waits for its turn too.
        if self.visits and not self.visits.admit(passed["session_hash"], address_of(scope)):
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
            self.rate_limit.charge(address_of(scope), size / MEGABYTE)
            # A faster sender would keep the server from everybody else.
            await asyncio.sleep(size / FASTEST)
            came += size
            left -= size
            if left < 0:
                raise self._too_large(route)
            return message

        return counted

    async def _last_resort(self, error: Exception, scope: Scope, receive: Receive, answer: Answer) -> None:
        """Answer a request that failed, and log one line without any of the visitor's data."""
        # An upload to a full disk fails before any event, and so before :mod:`unlearn.ui.guard`.
        if sentence := lacking(error):
            status = 507
        elif cause := _refusal_within(error):
            status, sentence = cause.status_code, str(cause.detail)
        else:
            status = 500
            sentence = f"Something went wrong on our side (error {log_error(error)}); nothing was changed. Try again."
        await answer.refuse(scope, receive, status, sentence)


class _RefusedError(Exception):
    """Rejection of a request, with the status and headers of the response."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers


def _refusal_within(error: BaseException | None) -> HTTPException | None:
    """Return the HTTP error that gradio raised too late to send it."""
    while error is not None and not isinstance(error, HTTPException):
        error = error.__cause__ or error.__context__
    return error


async def _whole(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _RefusedError(400, "The request ended early.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body
