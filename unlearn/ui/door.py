"""The door of the web server: which requests come in, how many and how large, and the headers on every answer.

Gradio serves more than this app uses: a proxy for addresses of the web, video processing, stored links. A path that is
not listed here is not there.
"""

from __future__ import annotations

import math
from collections.abc import MutableMapping
from typing import Any

from gradio.route_utils import API_PREFIX
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unlearn.config import Settings
from unlearn.errors import exhausted
from unlearn.ui.rate_limit import RateLimit

MEGABYTE = 1_000_000
PAGES = frozenset({"/", "/config", "/favicon.ico", "/manifest.json", "/robots.txt", "/theme.css"})
FILES = ("/assets/", "/static/")
CALLS = frozenset(
    (
        "api", "app_id", "call", "cancel", "heartbeat", "info", "mcp", "openapi.json", "queue", "reset", "run",
        "startup-events", "upload", "upload_progress",
    )
)  # fmt: skip
#: Reading these costs next to nothing, and a stream that is refused looks like a broken connection.
UNCOUNTED = (*FILES, *(f"{API_PREFIX}/{call}" for call in ("file=", "heartbeat", "queue", "call", "upload_progress")))
MCP = f"{API_PREFIX}/mcp"


class Door:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.rate_limit = RateLimit(settings.requests_per_minute)
        self.hosts = host_names(settings.allowed_hosts)
        self.headers = security_headers(settings.frame_ancestors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def noticed(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        answer = self._with_headers(noticed)
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, answer)
            return
        if scope["path"].startswith(MCP):
            _name_the_visitor(scope)
        try:
            await self.app(scope, self._measured(scope, receive), answer)
        except _TooLargeError:
            await self._too_large()(scope, receive, answer)
        except Exception as error:
            # An upload that finds the disk full fails before any event, and so before what guards those.
            sentence = exhausted(error)
            if begun or not sentence:
                raise
            await _told(507, sentence)(scope, receive, answer)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        """The answer to a request that does not come in, or None."""
        headers = Headers(scope=scope)
        named = [headers.get(key, "") for key in ("host", "x-forwarded-host")]
        if self.hosts and not {_without_port(name) for name in named if name} <= self.hosts:
            return _told(400, "The app does not answer to this host name; UNLEARN_ALLOWED_HOSTS lists those it does.")
        if not is_served(scope["path"]):
            return _told(404, "There is nothing here.")
        if int(headers.get("content-length") or 0) > self.settings.max_request_mb * MEGABYTE:
            return self._too_large()
        if scope["method"] == "POST" or not scope["path"].startswith(UNCOUNTED):
            seconds = math.ceil(self.rate_limit.wait(_address(scope)))
            if seconds:
                most = self.settings.requests_per_minute
                sentence = f"Too many requests from your address, more than {most:,} a minute; wait {seconds} s."
                return _told(429, sentence, {"Retry-After": str(seconds)})
        return None

    def _too_large(self) -> JSONResponse:
        return _told(413, f"The request is too large; at most {self.settings.max_request_mb} MB are allowed.")

    def _measured(self, scope: Scope, receive: Receive) -> Receive:
        """``receive`` that counts: a request may come without a length, or with a wrong one."""
        left = self.settings.max_request_mb * MEGABYTE

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            size = len(message.get("body", b""))
            self.rate_limit.charge(_address(scope), size / MEGABYTE)
            left -= size
            if left < 0:
                raise _TooLargeError
            return message

        return counted

    def _with_headers(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
                # The page is written for the address it was asked under, which a shared cache must not hand to others.
                if headers.get("content-type", "").startswith("text/html"):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        return sent


class _TooLargeError(Exception):
    """More came than may."""


def is_served(path: str) -> bool:
    """Whether the app has something at ``path``."""
    if path in PAGES or path.startswith(FILES):
        return True
    name, prefix, call = path.removeprefix("/").partition("/")
    if f"/{name}{prefix}" != f"{API_PREFIX}/":
        return False
    # A file is one of gradio's cache, by its path; given an address of the web, gradio would fetch that.
    return "://" not in call if call.startswith("file=") else call.split("/")[0] in CALLS


def security_headers(frame_ancestors: str) -> dict[str, str]:
    """What a browser is told about every answer.

    Gradio's page has scripts in it and compiles event handlers, so both must be allowed; nothing is loaded from, or
    sent to, anywhere else.
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


def _told(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An answer whose ``detail`` the page shows and a client reports."""
    return JSONResponse({"detail": sentence}, status, headers)


def _address(scope: Scope) -> str:
    """The visitor's address; uvicorn has read it from X-Forwarded-For where the proxy is trusted."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def host_names(listed: str) -> frozenset[str]:
    """The names in a list with commas; where there is one, this machine's own belong to it, as gradio calls itself."""
    names = {name.strip().lower() for name in listed.split(",") if name.strip()}
    return frozenset(names | {"localhost", "127.0.0.1"}) if names else frozenset()


def _without_port(host: str) -> str:
    return host.rsplit(":", 1)[0].lower() if host.rsplit(":", 1)[-1].isdigit() else host.lower()


def _name_the_visitor(scope: MutableMapping[str, Any]) -> None:
    """Gradio passes an assistant's call on to itself with its headers: the visitor goes on paying, not this machine."""
    headers = MutableHeaders(scope=scope)
    headers["x-forwarded-for"] = _address(scope)
