"""Parts of a request that the filter reads, rewrites or removes before gradio sees them."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope

#: Form of a host name, with or without a port, as gradio writes it into the page.
HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?")
ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]{1,30}://" + HOST.pattern)
RANGE = re.compile(r"bytes=[0-9]{0,15}-[0-9]{0,15}")
#: Query names that gradio would read: stored pages, and pages other than the only one.
UNREAD = frozenset({"deep_link", "page"})


def again(scope: Scope, body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives ``body``, and then continues with ``receive``."""
    MutableHeaders(scope=scope)["content-length"] = str(len(body))
    left = [body]

    async def given() -> Message:
        return {"type": "http.request", "body": left.pop(), "more_body": False} if left else await receive()

    return given


def clean(scope: Scope) -> None:
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


def address_of(scope: Scope) -> str:
    """Return the visitor's address; uvicorn has read it from X-Forwarded-For if the proxy is trusted."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def host_names(listed: str, own: str = "") -> frozenset[str]:
    """Return the names in a comma-separated list; if there are any, add this machine's own, which gradio uses."""
    names = {name.strip().lower() for name in listed.split(",") if name.strip()}
    own = f"[{own.strip('[]')}]" if ":" in own else own
    return frozenset(names | {"localhost", "127.0.0.1", "[::1]", own.lower()}) if names else frozenset()


def without_port(host: str) -> str:
    """Return a host name in lower case, without the port behind it."""
    return host.rsplit(":", 1)[0].lower() if host.rsplit(":", 1)[-1].isdigit() else host.lower()


def name_the_visitor(scope: Scope) -> None:
    """Name the visitor in the headers, which gradio forwards with an assistant's call, so that the visitor pays."""
    MutableHeaders(scope=scope)["x-forwarded-for"] = address_of(scope)
