"""Client for malformed requests: sends any bytes from any loopback address."""

from __future__ import annotations

import http.client
import json
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from unlearn.ui.server.turns import SECONDS

API = "/gradio_api"
JSON = (("Content-Type", "application/json"),)
#: Seconds without a byte after which the client stops waiting: longer than a request may wait for its turn.
PATIENCE = SECONDS + 30
#: Maximum bytes read of a response.
MOST_READ = 8_000_000
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Request:
    """One request as sent over the connection.

    Attributes:
        forbidden: True if a response with a result is a wrong one.
    """

    method: str
    target: str
    headers: Headers = ()
    body: bytes = b""
    forbidden: bool = False

    def __str__(self) -> str:
        sent = ", ".join(f"{name}: {value}" for name, value in self.headers)
        return f"{self.method} {self.target[:200]} [{sent[:200]}] {self.body[:300]!r}"


@dataclass(frozen=True)
class Response:
    """A response; ``status`` is 0 if there was none."""

    status: int
    body: bytes = b""

    def json(self) -> Any:
        """Return the body as JSON, or None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True)
class CallResult:
    """Result of a call: ``state`` is "complete", "running", "error", "refused" or "lost"; ``value`` is the content."""

    state: str
    value: Any = None
    status: int = 200

    @property
    def sentence(self) -> str:
        """Return the message of an error, or "" if it has none."""
        said = self.value.get("error") or self.value.get("detail") if isinstance(self.value, dict) else self.value
        return said if isinstance(said, str) else json.dumps(said) if said else ""


class Wire:
    """A visitor at ``source``, a loopback address, with a separate session."""

    def __init__(self, address: str, source: str = "127.0.0.1", session: str = "") -> None:
        parts = urlsplit(address)
        self.server = (str(parts.hostname), int(parts.port or 80))
        self._source = source
        self.session = session or uuid.uuid4().hex[:12]

    def connect(self, timeout: float = PATIENCE) -> socket.socket:
        return socket.create_connection(self.server, timeout, source_address=(self._source, 0))

    def send(self, request: Request, timeout: float = PATIENCE) -> Response:
        """Send ``request`` unchanged; of a streamed response, only the first event is read."""
        try:
            with closing(self.connect(timeout)) as wire:
                with suppress(ConnectionError):  # the server may respond and close before the request ends
                    wire.sendall(self._bytes(request))
                with closing(http.client.HTTPResponse(wire, method=request.method)) as answer:
                    answer.begin()
                    if answer.headers.get_content_type() == "text/event-stream":
                        return Response(answer.status, answer.readline(MOST_READ))
                    return Response(answer.status, answer.read(MOST_READ))
        except (OSError, http.client.HTTPException):
            return Response(0)

    def get(self, target: str, timeout: float = PATIENCE) -> Response:
        return self.send(Request("GET", target), timeout)

    def call(self, name: str, *data: Any) -> CallResult:
        """Call the endpoint ``name`` with its other arguments as usual, and return the result."""
        return self.follow(self._posted(name, data))

    def begin(self, name: str, *data: Any) -> CallResult:
        """Call an endpoint that reports progress, and return its first report, or its result if there is none."""
        return self.follow(self._posted(name, data), to_the_end=False)

    def follow(self, answer: Response, *, to_the_end: bool = True) -> CallResult:
        """Return the result, or the first report, of the event that ``answer`` announces."""
        said = answer.json()
        event = said.get("event_id") if isinstance(said, dict) else None
        if answer.status != 200 or not isinstance(event, str):
            return CallResult("refused" if answer.status else "lost", said, answer.status)
        for kind, value in self._events(f"{API}/call/_/{quote(event, safe='')}"):
            if kind in {"complete", "error"}:
                return CallResult(kind, value)
            if kind == "generating" and not to_the_end:
                return CallResult("running", value)
        return CallResult("lost")

    def _posted(self, name: str, data: Sequence[Any]) -> Response:
        usual = usual_arguments(self).get(name, [])
        body = json.dumps({"data": [*data, *usual[len(data) :]], "session_hash": self.session}).encode()
        return self.send(Request("POST", f"{API}/call/{name}", JSON, body))

    def upload(self, name: str, content: bytes) -> Response:
        return self.send(Request("POST", f"{API}/upload", *multipart(name, content)))

    def uploaded(self, name: str, content: bytes) -> dict[str, Any]:
        """Upload ``content`` and return it as an argument of :meth:`call`; with an invalid path if it was refused."""
        paths = self.upload(name, content).json()
        path = paths[0] if isinstance(paths, list) and paths else ""
        return {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def _bytes(self, request: Request) -> bytes:
        given = {name.lower() for name, _ in request.headers}
        usual = {"Host": f"{self.server[0]}:{self.server[1]}", "Connection": "close"}
        if request.body and "transfer-encoding" not in given:
            usual["Content-Length"] = str(len(request.body))
        headers = [*((name, value) for name, value in usual.items() if name.lower() not in given), *request.headers]
        lines = [f"{request.method} {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + request.body

    def _events(self, target: str) -> Iterator[tuple[str, Any]]:
        """Yield kind and value of each event of a stream."""
        with suppress(OSError, http.client.HTTPException), closing(self.connect()) as wire:
            wire.sendall(self._bytes(Request("GET", target)))
            with closing(http.client.HTTPResponse(wire)) as stream:
                stream.begin()
                kind = ""
                while line := stream.readline(MOST_READ):
                    field, _, text = line.decode("utf-8", "replace").rstrip("\n").partition(": ")
                    if field == "event":
                        kind = text
                    elif field == "data":
                        yield kind, Response(200, text.encode()).json()


#: Usual arguments by the server's address.
_USUAL: dict[tuple[str, int], dict[str, list[Any]]] = {}


def usual_arguments(visitor: Wire) -> dict[str, list[Any]]:
    """Return arguments for each documented endpoint: its defaults, or values of the right kind."""
    if visitor.server not in _USUAL:
        named = visitor.get(f"{API}/info").json()["named_endpoints"].items()
        _USUAL[visitor.server] = {name.strip("/"): list(map(_usual, about["parameters"])) for name, about in named}
    return _USUAL[visitor.server]


def _usual(parameter: Mapping[str, Any]) -> Any:
    if parameter.get("parameter_has_default"):
        return parameter["parameter_default"]
    return {"array": ["cat"], "string": "cat", "number": 1, "boolean": True}.get(parameter["type"].get("type"))


def multipart(name: str, content: bytes, boundary: str = "faults") -> tuple[Headers, bytes]:
    """Return headers and body of an upload of one file."""
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    body = head.encode("utf-8", "surrogatepass") + content + f"\r\n--{boundary}--\r\n".encode()
    return (("Content-Type", f"multipart/form-data; boundary={boundary}"),), body
