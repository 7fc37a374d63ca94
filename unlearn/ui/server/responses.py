"""Responses of the web server: security headers for all, and refusals as a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send


class Answer:
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
