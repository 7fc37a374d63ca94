"""Invalid requests that the page never sends: drawn with a seed, kind by kind, so that each can be repeated."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from unlearn.bench.faults.target import PRIVATE
from unlearn.bench.faults.wire import API, JSON, Headers, Request, Wire, multipart, usual_arguments

NESTED = 900
GIANT = "9" * 400
#: Values in JSON's notation, including those that only Python's reader accepts.
VALUES = (
    "null", "true", "5", "-1", "0", "1e308", "-1e400", "NaN", "Infinity", "-Infinity", GIANT, '""', '"\\u0000"',
    '"\\ud800"', f'"a {PRIVATE}"', f'["{PRIVATE}"]', '"' + "a" * 100_000 + '"', "[]", "[[]]", "[null]", "[1, 2]", "{}",
    '["\\ud800"]', '["cat", "\\u0000"]', '[["cat"]]', '{"path": "/etc/passwd"}', '{"path": null}', '{"path": 5}',
    '{"path": "\\u0000"}', '{"url": "http://127.0.0.1:1/x.png"}', '{"path": "", "meta": {"_type": "gradio.FileData"}}',
    '{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}', '{"__type__": "update"}', '"<script>x</script>"',
    '"../../etc/passwd"', "[" * NESTED + "]" * NESTED, '{"a":' * NESTED + "1" + "}" * NESTED,
    json.dumps(["cat"] * 1000), json.dumps([f"{n} {PRIVATE}" for n in range(3000)]), "-0.0", "1.5", '"NaN"', '"1"',
)  # fmt: skip
BROKEN_JSON = (
    b"", b"{", b"[]", b"5", b"null", b'"text"', b"{'data': []}", b'{"data": [}', b'{"data": [1,]}', b"\xff\xfe{}",
    b"\xef\xbb\xbf{}", b'{"data": "\x80"}', b'{"data": [NaN]}', b'{"data": [Infinity]}', b'{"data": {}}', b"\x00",
    b'{"data": null}', b'{"data": [], "data": 5}', b'{"session_hash": "x"}', b'{"data": [], "session_hash": 5}',
    b'{"data": [], "session_hash": {"a": 1}}', b'{"data": [], "session_hash": "\\ud800"}',
    b'{"data": [], "session_hash": "\\u0000"}', b'{"data": [], "event_id": [1]}', b'{"data": [], "simple_format": 7}',
    b'{"data": [], "batched": true}', b'{"data": [], "event_data": NaN}', b"[" * NESTED + b"]" * NESTED,
    b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"data": [' + b'{"a":' * NESTED + b"1" + b"}" * NESTED + b"]}", b'{"data": [1' + b"0" * 5000 + b"]}",
    b'{"data": [], "session_hash": "' + b"s" * 100_000 + b'"}',
)  # fmt: skip
#: Paths that are posted to without an endpoint's name.
POSTED = ("queue/join", "cancel", "reset", "reset/", "component_server", "upload", "mcp/", "stream/x", "startup-events")
NOWHERE = (
    "x", "erase_", "Erase", "0", "-1", "_", "lambda", "__init__", "%00", "erase%00", "%ff", "erase%2f..", "..",
    "%2e%2e", "erase/../link", "a" * 5000, "%F0%9F%90%88", "%ed%a0%80", "erase/", "erase//", "erase;x", "v2", "v2/",
    "v2/x", "v2/%00", "erase?x=" + "y" * 3000, "predict", "erase/x/y",
)  # fmt: skip
METHODS = ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD", "GET", "POST", "CONNECT", "FOO", "get", "G\x01T")
CONTENT = (
    "text/plain", "application/xml", "application/json; charset=utf-7", "application/json; charset=\x01", "", "json",
    "multipart/form-data", "multipart/form-data; boundary=", "application/x-www-form-urlencoded", "a" * 5000, "*/*",
    "multipart/form-data; boundary=" + "b" * 3000, "application/json\x0b", "text/json; charset=utf-16",
)  # fmt: skip
TRAVERSALS = (
    "/etc/passwd", "//etc/passwd", "../../../../etc/passwd", "%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "..%2f..%2f..%2fetc/passwd", "%00", "/srv/%00.png", "/srv", "/srv/", ".", "..", "~/.bashrc", ".env", "app.py",
    "/proc/self/environ", "/proc/self/cmdline", "/dev/zero", "/dev/stdin", "C:%5cboot.ini", "%5c%5chost%5cshare",
    "a" * 5000, "/" + "a/" * 2500, "%ed%a0%80", "%ff%fe", "/srv/gradio/../../etc/passwd", "http://127.0.0.1:1/",
    "HTTP:%2f%2f127.0.0.1:1", "file:///etc/passwd", "ftp://127.0.0.1/x", "?", "#", "%", "%zz", "/etc/passwd%00.png",
    "....//....//etc/passwd", "/static/../app.py", "%0d%0aX: y",
)  # fmt: skip
ROOTS = (
    f"{API}/file=", f"{API}/file/", "/static/", "/assets/", f"{API}/proxy=", "/", "//", f"{API}/", "/theme.css/",
    "/config/", f"{API}/custom_component/", f"{API}/stream/", f"{API}/call/erase/", f"{API}/call/", f"{API}/info?",
    "/static/img/", f"{API}/heartbeat/", f"{API}/queue/data?session_hash=", f"{API}/upload_progress?", "/svelte/",
    f"{API}/deep_link?session_hash=", f"{API}/dev/", f"{API}/runs?", "/login?", "/pwa_icon/", "/monitoring/",
    f"{API}/vibe-code/", f"{API}/queue/", "/manifest.json/",
)  # fmt: skip
HEADERS: tuple[Headers, ...] = (
    (("Host", ""),), (("Host", "evil.example"),), (("Host", "a" * 5000),), (("Host", "[::1"),), (("Host", "x\x00y"),),
    (("Host", "x:99999999"),), (("X-Forwarded-For", "not an address"),), (("X-Forwarded-For", "," * 500),),
    (("X-Forwarded-For", "[::1"),), (("X-Forwarded-For", "10.0.0.1, " * 300),), (("X-Forwarded-Proto", "javascript"),),
    (("X-Forwarded-Host", "evil.example/\x22><script>"),), (("X-Forwarded-Host", "[bad"),),
    (("X-Forwarded-Port", "x"),), (("X-Forwarded-Prefix", "/../.."),), (("Forwarded", "for=;;;"),),
    (("Origin", "null"),), (("Origin", "http://[bad"),), (("Referer", "http://[bad"),),
    (("Cookie", "a=\xff; ;;=b" * 50),), (("Range", "bytes=9999999999-"),), (("Range", "bytes=-"),),
    (("Range", "bytes=" + "0-1," * 500),), (("Range", "bytes=5-1"),), (("If-Modified-Since", "never"),),
    (("If-None-Match", "\x01"),), (("Accept", "\xff"),), (("Accept-Encoding", "gzip;q=x, br;q=NaN"),),
    (("Accept-Language", "x" * 3000),), (("Content-Length", "-1"),), (("Content-Length", "x"),),
    (("Content-Length", "1_0"),), (("Content-Length", "9" * 300),), (("Content-Length", "5"), ("Content-Length", "6")),
    (("Transfer-Encoding", "gzip"),), (("Transfer-Encoding", "chunked"), ("Content-Length", "3")),
    (("Expect", "100-continue"),), (("Upgrade", "websocket"),), (("Connection", "Upgrade"), ("Upgrade", "h2c")),
    (("Authorization", "Basic \xff"),), (("x-gradio-user", "mcp"),), (("x-gradio-server", "http://[bad"),),
    (("X" * 3000, "y"),), tuple((f"x-{n}", "y") for n in range(90)), (("bad name", "x"),), (("", "x"),),
    (("X-IP-Token", PRIVATE),), (("session_hash", "\xff"),),
)  # fmt: skip
FILE_NAMES = (
    "../../outside.png", "/etc/passwd", "a\x00.png", "", ".", "..", "a" * 10_000 + ".png", "a\\..\\b.png",
    "\ud800.png", 'a".png', "a\r\nX: y", "cat.png/", "con", "🐈" * 100 + ".png", "%00.png", f"{PRIVATE}.png", " ",
    "-rf", "*.png", "cat.svg", "cat.html",
)  # fmt: skip
RPC = (
    "{}", "[]", "null", '{"jsonrpc": "2.0"}', '{"jsonrpc": "1.0", "id": 1, "method": "x"}', "[" * NESTED,
    '{"jsonrpc": "2.0", "id": {"a": 1}, "method": "tools/list"}',
    '{"jsonrpc": "2.0", "id": 1, "method": "tools/call"}',
    '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x", "arguments": {}}}',
    '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "erase", "arguments": {"forget": 5}}}',
    '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "erase", "arguments": {"x": NaN}}}',
    '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "start", "arguments": []}}',
    '{"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "file:///etc/passwd"}}',
    '{"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": "\\ud800"}}',
    '{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": 5}}',
)  # fmt: skip


@dataclass(frozen=True)
class Doors:
    """Interfaces of a running app: its public endpoints with usual arguments, and the events of its page."""

    public: Mapping[str, Sequence[str]]
    private: Mapping[str, int]
    events: Mapping[int, int]

    @classmethod
    def of(cls, visitor: Wire) -> Doors:
        """Read the interfaces from the app's own description."""
        public = {name: list(map(json.dumps, usual)) for name, usual in usual_arguments(visitor).items()}
        public |= {"export": ['"edit"', '""'], "import": ["null"]}
        events = visitor.get("/config").json()["dependencies"]
        private = {
            d["api_name"]: len(d["inputs"]) for d in events if d["api_visibility"] == "private" and d["api_name"]
        }
        return cls(public, private, {d["id"]: len(d["inputs"]) for d in events})


class Fuzzer:
    """Generator of requests, which takes the kinds of :data:`KINDS` in turn."""

    def __init__(self, doors: Doors, session: str, seed: int = 0) -> None:
        self.doors, self.session = doors, session
        self.random = random.Random(seed)  # noqa: S311  not a secret

    def requests(self, n: int) -> Iterator[Request]:
        for number in range(n):
            yield KINDS[number % len(KINDS)](self)

    def broken_json(self) -> Request:
        name = self.random.choice(tuple(self.doors.public))
        places = (f"call/{name}", f"call/v2/{name}", f"api/{name}", f"run/{name}", *POSTED)
        return Request("POST", f"{API}/{self.random.choice(places)}", JSON, self._torn(self.random.choice(BROKEN_JSON)))

    def wrong_value(self) -> Request:
        """Return a request with one argument of an endpoint replaced."""
        name = self.random.choice(tuple(self.doors.public))
        data = list(self.doors.public[name])
        if data:
            data[self.random.randrange(len(data))] = self.random.choice(VALUES)
        return self._posted(f"call/{name}", data)

    def wrong_values(self) -> Request:
        """Return a request with arguments of any type and number."""
        name = self.random.choice(tuple(self.doors.public))
        n = self.random.choice((0, 1, len(self.doors.public[name]), len(self.doors.public[name]) + 1, 60))
        return self._posted(f"call/{name}", self.random.choices(VALUES, k=n))

    def named_values(self) -> Request:
        """Return a request with arguments by name, as newer versions of the API take them."""
        name = self.random.choice((*self.doors.public, "x"))
        keys = ("forget", "labels", "query", "x", "", "\\ud800", "oauth_token", "image", "strength")
        pairs = [f'"{self.random.choice(keys)}": {self.random.choice(VALUES)}' for _ in range(self.random.randrange(4))]
        return Request("POST", f"{API}/call/v2/{name}", JSON, ("{" + ", ".join(pairs) + "}").encode())

    def page_event(self) -> Request:
        """Return an event of the page with values that the page does not hold."""
        index = self.random.choice(tuple(self.doors.events))
        data = self.random.choices(VALUES, k=self.random.choice((self.doors.events[index],) * 4 + (0, 50)))
        return self._posted("queue/join", data, f'"fn_index": {index}')

    def wrong_index(self) -> Request:
        index = self.random.choice(("-1", "68", "100000", GIANT, "null", '"x"', "1.5", "true", "[]", "-9999", "NaN"))
        more = self.random.choice(("", ', "trigger_id": -1', ', "trigger_id": "x"', ', "event_data": {"index": NaN}'))
        return self._posted(
            self.random.choice(("queue/join", "run/predict", "api/predict")), [], f'"fn_index": {index}{more}'
        )

    def nowhere(self) -> Request:
        door = self.random.choice(("call", "api", "run", "call/v2", "mcp", "queue", "cancel", "heartbeat"))
        return self._posted(f"{door}/{self.random.choice(NOWHERE)}", [self.random.choice(VALUES)])

    def closed(self) -> Request:
        """Return a request that bypasses the queue, or a private event under its name: the app must refuse it."""
        if self.random.random() < 0.5:
            name = self.random.choice(tuple(self.doors.public))
            door, data = self.random.choice(("api", "run")), ["null", *self.doors.public[name]]
        else:
            name = self.random.choice(tuple(self.doors.private))
            door, data = self.random.choice(("call", "api", "run")), ["null"] * self.doors.private[name]
        return self._posted(f"{door}/{name}", data, forbidden=True)

    def wrong_method(self) -> Request:
        path = self.random.choice(
            ("/", "/config", f"{API}/call/erase", f"{API}/upload", f"{API}/queue/data", f"{API}/info")
        )
        return Request(self.random.choice(METHODS), path, JSON, self.random.choice((b"", b"{}")))

    def wrong_content(self) -> Request:
        path = self.random.choice(("call/erase", "queue/join", "upload", "cancel", "component_server", "mcp/", "reset"))
        kind = (("Content-Type", self.random.choice(CONTENT)),)
        body = self.random.choice((b'{"data": [["cat"]]}', b"data=5", b"--x\r\n\r\n--x--", b"\xff" * 50, b""))
        return Request("POST", f"{API}/{path}", kind, body)

    def path(self) -> Request:
        target = self.random.choice(ROOTS) + self.random.choice(TRAVERSALS)
        return Request(self.random.choice(("GET", "GET", "HEAD", "POST")), target)

    def header(self) -> Request:
        headers = self.random.choice(HEADERS) + (self.random.choice(HEADERS) if self.random.random() < 0.3 else ())
        if self.random.random() < 0.5:
            return Request("GET", self.random.choice(("/", "/config", "/theme.css", "/static/img/logo.svg")), headers)
        return Request("POST", f"{API}/call/link", (*JSON, *headers), b'{"data": [[]]}')

    def upload(self) -> Request:
        headers, body = multipart(self.random.choice(FILE_NAMES), self.random.randbytes(50))
        query = self.random.choice(
            ("", "", "?upload_id=", "?upload_id=%00", "?upload_id=" + "x" * 3000, "?upload_id=a&upload_id=b")
        )
        if self.random.random() < 0.6:
            body = self._torn(body)
        elif self.random.random() < 0.3:
            body = body.replace(b"files", self.random.choice((b"", b"file", b"\xff", b"files[]"))) * self.random.choice(
                (1, 1200)
            )
        return Request("POST", f"{API}/upload{query}", headers, body)

    def event_of_nobody(self) -> Request:
        """Return a request to read or end an event that another visitor began."""
        other = self.random.choice(("x", "%00", "", "a" * 3000, "null", "..", "%ed%a0%80", "*"))
        if self.random.random() < 0.5:
            return Request(
                "GET", f"{API}/{self.random.choice((f'call/erase/{other}', f'queue/data?session_hash={other}'))}"
            )
        ids = ", ".join(f'"{key}": {self.random.choice(VALUES)}' for key in ("session_hash", "fn_index", "event_id"))
        return Request(
            "POST", f"{API}/{self.random.choice(('cancel', 'reset', 'component_server'))}", JSON, f"{{{ids}}}".encode()
        )

    def tool(self) -> Request:
        accept = (("Accept", self.random.choice(("application/json, text/event-stream", "text/html", "*/*"))),)
        return Request("POST", f"{API}/mcp/", JSON + accept, self._torn(self.random.choice(RPC).encode(), 0.2))

    def _posted(self, path: str, data: Sequence[str], more: str = "", *, forbidden: bool = False) -> Request:
        session = self.random.choice(
            (f'"{self.session}"',) * 12 + ("null", "5", '"\\ud800"', '"\\u0000"', '"../x"', '""')
        )
        body = f'{{"data": [{", ".join(data)}], "session_hash": {session}{more and ", " + more}}}'
        return Request("POST", f"{API}/{path}", JSON, body.encode(), forbidden)

    def _torn(self, body: bytes, share: float = 0.3) -> bytes:
        """Return ``body``, or sometimes a damaged copy."""
        if not body or self.random.random() > share:
            return body
        at = self.random.randrange(len(body))
        return self.random.choice((body[:at], body[:at] + self.random.randbytes(3) + body[at:], body[at:]))


KINDS: tuple[Callable[[Fuzzer], Request], ...] = (
    Fuzzer.broken_json, Fuzzer.wrong_value, Fuzzer.wrong_values, Fuzzer.named_values, Fuzzer.page_event,
    Fuzzer.wrong_index, Fuzzer.nowhere, Fuzzer.closed, Fuzzer.wrong_method, Fuzzer.wrong_content, Fuzzer.path,
    Fuzzer.header, Fuzzer.upload, Fuzzer.event_of_nobody, Fuzzer.tool,
)  # fmt: skip
