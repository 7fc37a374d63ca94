"""Limits on open connections: their number, the number per address, and how long each may keep the server waiting.

Uvicorn accepts every connection for as long as it stays open. Each one is an open file, of which a process has few;
once they are used up, the server cannot answer a request or load a model.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
import time
from collections import Counter
from functools import partial
from typing import Any, cast

import h11
from gradio import http_server
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from unlearn.ui.server.addresses import Proxies, payer, unmapped

if sys.platform != "win32":
    import resource

#: Seconds for the complete head of a request to arrive, from the connection's start or the last response's end.
HEAD_SECONDS = 20
#: Seconds in which a client must read some of the data sent to it.
READ_SECONDS = 60
#: Largest number of connections, however many files the process may open.
MOST = 4096
#: System errors if no file, memory or buffer is left for a connection.
USED_UP = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 10\r\n"
    b'connection: close\r\n\r\n{"detail":"Too many connections are open; try again in some seconds."}'
)

logger = logging.getLogger(__name__)


def raise_file_limit() -> int:
    """Raise this process's limit on open files as far as the system allows; return the limit."""
    if sys.platform == "win32":
        return 4 * MOST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else 16 * MOST
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return soft
    return wanted


class Connections:
    """All open connections. If one more exceeds a limit, a connection that waits for its client is closed.

    A proxy's connections belong to many visitors and count only towards the total; the visitors' requests are counted
    by :class:`unlearn.ui.server.request_filter.RequestFilter`.

    Args:
        files: files that the process may open; a quarter may be connections, and as many may be about to be accepted.
        per_address: the largest number of connections of one address.
        proxies: the peers that forward the requests of others.
    """

    def __init__(self, files: int, per_address: int, proxies: Proxies) -> None:
        self.most = max(min(files // 4, MOST), 8)
        self.per_address = min(per_address, self.most // 2)
        self._proxies = proxies
        self._open: dict[BoundedProtocol, str] = {}
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, connection: BoundedProtocol, address: str) -> bool:
        """Count ``connection``; return False if there is no room for it."""
        whose = "" if address in self._proxies else payer(address)
        if whose and self._counts[whose] >= self.per_address and not self._make_room(whose):
            return False
        if len(self._open) >= self.most and not self._make_room():
            return False
        self._open[connection] = whose
        self._counts[whose] += 1
        return True

    def discard(self, connection: BoundedProtocol) -> None:
        """Stop counting ``connection``."""
        whose = self._open.pop(connection, None)
        if whose is not None:
            self._counts[whose] -= 1
            self._counts += Counter()  # drops the counts at zero

    def _make_room(self, whose: str | None = None) -> bool:
        waiting = [c for c, owner in self._open.items() if c.waits_for_client and whose in {None, owner}]
        if not waiting:
            return False
        longest = min(waiting, key=lambda connection: connection.since)
        self.discard(longest)
        longest.transport.abort()
        return True


class BoundedProtocol(H11Protocol):
    """Uvicorn's connection with a time limit on every wait for its client."""

    def __init__(self, *args: Any, connections: Connections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._bounds = connections
        self._head: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self.since = time.monotonic()

    @property
    def waits_for_client(self) -> bool:
        """True if the server can do nothing for this connection until its client sends data."""
        cycle = self.cycle
        return cycle is None or cycle.response_complete or (cycle.more_body and not cycle.response_started)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        host, port = self.client or ("unknown", 0)
        self.client = (unmapped(host), port)
        if self._bounds.admit(self, self.client[0]):
            self._await_head()
        else:
            transport.write(REFUSAL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._bounds.discard(self)
        for timer in (self._head, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self._head is not None and self._answering:
            self._head.cancel()
            self._head = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._answering:
            self._await_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def send_400_response(self, msg: str) -> None:
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:  # a response has begun and cannot hold this one
            self.transport.abort()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await_head(self) -> None:
        self.since = time.monotonic()
        if self._head is not None:
            self._head.cancel()
        # Not close(), which would wait for a client that does not read.
        self._head = self.loop.call_later(HEAD_SECONDS, self.transport.abort)


class BoundedServer(http_server.Server):
    """Server for gradio to start, with uvicorn options that gradio does not expose.

    Args:
        config: gradio's configuration.
        listener: the bound socket to listen on.
        connections: the limits on accepted connections.
        middleware: the outermost middleware of the app, with its keyword arguments.
        kwargs: the other arguments that gradio gives its server.
    """

    def __init__(
        self,
        config: Config,
        *,
        listener: socket.socket,
        connections: Connections,
        middleware: tuple[Any, dict[str, Any]],
        **kwargs: Any,
    ) -> None:
        # Called for every connection; uvicorn uses a protocol's class for nothing else.
        config.http = cast(Any, partial(BoundedProtocol, connections=connections))
        config.ws = "none"
        # The backlog is also the number of connections accepted at once, before any is counted.
        config.backlog = min(connections.most, 1024)
        self._listener = listener
        kind, options = middleware
        config.app.add_middleware(kind, **options)  # type: ignore[union-attr]
        super().__init__(config, **kwargs)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on the socket that was bound."""
        super().run(sockets or [self._listener])

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve; log one line for a period in which connections cannot be accepted."""
        asyncio.get_running_loop().set_exception_handler(_log_shortly)
        await super().serve(sockets)


def _log_shortly(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in USED_UP:
        logger.warning("no connection could be accepted for a second: %s", error.strerror)
    else:
        loop.default_exception_handler(context)


def bound_socket(host: str, port: int) -> socket.socket:
    """Return a bound socket for ``host`` and ``port`` that does not listen yet; ``::`` also accepts IPv4.

    Raises:
        OSError, OverflowError: the port is taken or does not exist, or the address is not this machine's.
    """
    host = host.strip("[]")
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.bind((address[0], port, *address[2:]))  # the resolved address has another port for 99999
    except BaseException:
        bound.close()
        raise
    return bound
