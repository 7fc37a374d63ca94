"""Requests that mean nothing: each is a sentence with a status of 4xx, and nothing of it reaches the log."""

from __future__ import annotations

import itertools
import json
import random
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from unlearn.bench.faults.target import TRACEBACK
from unlearn.bench.serving import served

API = "/gradio_api"
REQUESTS = 500
STRANGE: tuple[Any, ...] = (
    None, True, -1, 0, 5, 10**12, 1e308, "", "cat", "../../etc/passwd", "é" * 300, "x" * 70_000, [], [[]], ["cat"],
    [None] * 9, {}, {"path": "/etc/passwd"}, {"__type__": "update"}, {"index": -5}, [5, "cat"],
)  # fmt: skip
UNWRITABLE: tuple[Any, ...] = (2**70, "\0", "\ud800", {"value": float("nan")}, float("inf"), float("-inf"))
NAMES = ("erase", "zero_shot", "start", "nothing", "guarded", "%00", "v2", "__proto__", "x" * 300, "é", "..")
PATHS = (
    "/", "/config", "/config?deep_link=%00", "/config?page=x&deep_link=../..", "/?deep_link=" + "a" * 5000,
    "/?page=nothing", "/\0", "/%00", "/assets/%00", "/assets/..%2f..%2fapp.py", "/static/" + "a" * 300,
    f"{API}/file=%00", f"{API}/file=" + "a" * 3000, f"{API}/file=/tmp/" + "b" * 300, f"{API}/file=%ff%fe",
    f"{API}/file=//host/share", f"{API}/file=C:%5Cx", f"{API}/info?page=%ff", f"{API}/info?all_endpoints=maybe",
    f"{API}/queue/data", f"{API}/queue/data?session_hash=", f"{API}/queue/data?session_hash=%00",
    f"{API}/queue/data?session_hash=nobody", f"{API}/call/erase/nothing", f"{API}/call/v2/erase/nothing",
    f"{API}/heartbeat/%00", f"{API}/heartbeat/a%2fb", f"{API}/upload_progress", f"{API}/upload_progress?upload_id=%00",
    f"{API}/run/erase", f"{API}/api/erase", f"{API}/proxy=http://x", f"{API}/stream/x", f"{API}/mcp/sse/x",
    f"{API}/mcp/nothing", f"{API}/custom_component/x/client/y/z.js", "/monitoring/x", "/login", "/%2e%2e/app.py", "//",
    "/" + "a" * 60_000,
)  # fmt: skip


class App(httpx.Client):
    """The app, and what it has logged since it was last asked for that."""

    def __init__(self, address: str, log: Path) -> None:
        super().__init__(base_url=address, timeout=60)
        self.log = log
        self._read = len(log.read_text())

    def logged(self) -> str:
        text = self.log.read_text()
        new, self._read = text[self._read :], len(text)
        return new


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    log = tmp_path_factory.mktemp("malformed") / "log"
    limits = {"UNLEARN_REQUESTS_PER_MINUTE": "100000", "UNLEARN_SESSIONS_PER_ADDRESS": "400"}
    with served("tests/helpers/fake_app.py", log=log, **limits) as (address, _):
        deadline = time.monotonic() + 20  # the page answers before gradio has written its last line
        while "gradio_api/mcp" not in log.read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        with App(address, log) as web:
            yield web


def written(body: Any) -> bytes:
    """JSON as Python writes it: NaN, infinities and halves of surrogate pairs too."""
    return json.dumps(body).encode()


def refused(answer: httpx.Response) -> str:
    """The sentence of an answer that must be one of 4xx."""
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text[:200])
    sentence = answer.json()["detail"]
    assert isinstance(sentence, str)
    assert sentence.endswith("."), sentence
    return sentence


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("queue/join", b'{"data": [NaN], "fn_index": 0, "session_hash": "a"}'),
        ("queue/join", b'{"data": [1e999], "fn_index": 0, "session_hash": "a"}'),
        ("queue/join", b'{"data": [], "fn_index": -1, "session_hash": "a"}'),
        ("queue/join", b'{"data": [], "fn_index": 999999999999, "session_hash": "a"}'),
        ("queue/join", b'{"data": [], "fn_index": true, "session_hash": "a"}'),
        ("queue/join", b'{"data": [], "fn_index": 0}'),
        ("queue/join", b'{"data": [], "fn_index": 0, "session_hash": "../x"}'),
        ("queue/join", b'{"data": [], "fn_index": 0, "session_hash": 5}'),
        ("queue/join", b'{"data": {}, "fn_index": 0, "session_hash": "a"}'),
        ("queue/join", b'{"data": [], "fn_index": 0, "session_hash": "a", "trigger_id": 99999}'),
        ("queue/join", b"[]"),
        ("queue/join", b""),
        ("queue/join", b"\xff\xfe"),
        ("queue/join", b'{"data": ' + b"[" * 900 + b"]" * 900 + b"}"),
        ("queue/join", b'{"data": ' + b"[" * 90_000),
        ("queue/join", b'{"data": [' + b"9" * 5000 + b"]}"),
        ("call/erase", b'{"data": [5]}'),
        ("call/erase", b'{"data": ["\\ud800"]}'),
        ("call/erase", b'{"data": [["\\u0000"]]}'),
        ("call/erase", b"{}"),
        ("call/nothing", b'{"data": []}'),
        ("call/start", b'{"data": []}'),
        ("call/v2/x", b"{}"),
        ("call/v2/erase", b'{"forget": 5}'),
        ("call/v2/erase", b'{"forgotten": ["cat"]}'),
        ("cancel", b"{}"),
        ("cancel", b'{"session_hash": "a", "event_id": "b", "fn_index": "c"}'),
        ("reset", b'{"event_id": 5}'),
        ("mcp/", b'{"jsonrpc": "2.0", "id": NaN}'),
        ("upload", b""),
        ("run/erase", b'{"data": [["cat"]]}'),
        ("api/erase", b'{"data": [["cat"]]}'),
        ("component_server", b'{"data": [], "component_id": 1, "session_hash": "a", "fn_name": "load"}'),
    ],
)
def test_a_request_that_means_nothing_is_refused_in_a_sentence(app: App, path: str, body: bytes):
    refused(app.post(f"{API}/{path}", content=body, headers={"Content-Type": "application/json"}))
    assert app.logged() == ""


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_is_sent_as_something_else_is_refused(app: App, kind: str):
    for path in ("queue/join", "call/erase", "upload"):
        assert app.post(f"{API}/{path}", content=b"{}", headers={"Content-Type": kind}).status_code == 415
    assert app.logged() == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "["), ("Host", "a b"), ("Host", "x" * 300), ("X-Forwarded-Host", "]["), ("X-Forwarded-Host", "a/b?c"),
        ("X-Gradio-Server", "http://["), ("Origin", "http://["), ("Origin", "x"), ("Range", "bytes=1-2-3"),
        ("Range", "bytes=99999999999999999999-1"), ("Range", "bytes=²-³".encode().decode("latin-1")),
        ("Cookie", "a=\x80; b"), ("X-Forwarded-Proto", "x, y"), ("X-Forwarded-For", "nobody, 1.2.3.4.5"),
        ("Referer", "\x80"), ("Accept", "x" * 9000),
    ],
)  # fmt: skip
def test_strange_headers_break_nothing(app: App, name: str, value: str):
    for path in ("/", "/config", "/assets/nothing.js", f"{API}/info"):
        answer = app.get(path, headers={name.encode(): value.encode("latin-1")})
        assert answer.status_code < 500, answer.text
    assert app.logged() == ""


def test_paths_that_lead_nowhere_break_nothing(app: App):
    for path in PATHS:
        assert raw(app, f"GET {path.encode('unicode_escape').decode()} HTTP/1.1") < 500, path
    # Of what is no HTTP at all, uvicorn says so.
    assert not TRACEBACK.search(app.logged().encode())


@pytest.mark.parametrize(
    "body",
    [b"", b"--x", b"--x\r\n\r\n", b"--x\r\nContent-Disposition: form-data; name=files\r\n\r\nx\r\n--x--\r\n",
     b'--x\r\nContent-Disposition: form-data; name="files"; filename="../../\0"\r\n\r\nx\r\n--x--\r\n',
     b'--x\r\nContent-Disposition: form-data; name="files"; filename="' + b"a" * 2000 + b'"\r\n\r\nx\r\n--x--\r\n',
     b'--x\r\nContent-Disposition: form-data; name="files"; filename="\xff\xfe"\r\n\r\nx\r\n--x--\r\n',
     b"--x\r\nContent-Disposition\r\n\r\nx", b"--y\r\n", b"\x00" * 1000, b"--x\r\n" + b"A: b\r\n" * 2000],
)  # fmt: skip
def test_uploads_that_are_none_break_nothing(app: App, body: bytes):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    for query in ("", "?upload_id=", "?upload_id=%00", "?upload_id=abc"):
        answer = app.post(f"{API}/upload{query}", content=body, headers=headers)
        assert answer.status_code < 500, answer.text
    assert app.logged() == ""


def raw(app: App, first: str, *lines: str, body: bytes = b"") -> int:
    """The status of a request that no client would send; 400 where the connection ends without an answer."""
    url = urlsplit(str(app.base_url))
    with socket.create_connection((url.hostname, url.port), timeout=20) as line:
        head = "\r\n".join([first, f"Host: {url.netloc}", "Connection: close", *lines, "", ""])
        line.sendall(head.encode("latin-1") + body)
        answer = line.recv(100)
    return int(answer.split()[1]) if answer else 400


def test_broken_http_breaks_nothing(app: App):
    assert raw(app, "GET / HTTP/1.1", "Content-Length: x") == 400
    assert raw(app, "GET / HTTP/1.1", "Content-Length: 1", "Content-Length: 2") == 400
    assert raw(app, "GET / HTTP/1.1", "Host: elsewhere") == 400
    assert raw(app, "GET / HTTP/1.1", "X: " + "y" * 100_000) in {400, 431}
    assert raw(app, "BREW / HTTP/1.1") == 405
    assert raw(app, "GET / HTTP/9.9") < 500
    assert raw(app, "GET / HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade") < 500
    # Where the head is answered before the broken body is read, that cannot be answered again.
    chunked = ("Transfer-Encoding: chunked", "Content-Type: application/json")
    assert raw(app, f"POST {API}/queue/join HTTP/1.1", *chunked, body=b"zz\r\n{}") == 400
    assert raw(app, f"GET {API}/heartbeat/a HTTP/1.1", *chunked, body=b"2\r\n{}\r\nzz\r\n") in {200, 400}
    assert not TRACEBACK.search(app.logged().encode())


def test_pipelined_requests_are_answered_in_turn(app: App):
    url = urlsplit(str(app.base_url))
    with socket.create_connection((url.hostname, url.port), timeout=20) as line:
        asked = f"GET {API}/app_id HTTP/1.1\r\nHost: x\r\n\r\n"
        line.sendall((asked * 19 + asked.replace("Host: x", "Host: x\r\nConnection: close")).encode())
        got = b"".join(iter(lambda: line.recv(65536), b""))
    assert got.count(b"HTTP/1.1 200") == 20


def mutated(random_: random.Random, depth: int = 0) -> Any:
    """A value out of strange ones."""
    kind = random_.random()
    if depth < 3 and kind < 0.15:
        return [mutated(random_, depth + 1) for _ in range(random_.randrange(4))]
    if depth < 3 and kind < 0.3:
        return {random_.choice(("path", "meta", "x")): mutated(random_, depth + 1)}
    return random_.choice(STRANGE if kind < 0.995 else UNWRITABLE)


def requests(random_: random.Random, events: list[dict[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """Paths and bodies, of which about half are right in all but the values."""
    wheres: tuple[Callable[[], str], ...] = (
        lambda: f"call/{random_.choice(NAMES)}",
        lambda: f"call/v2/{random_.choice(NAMES)}",
        lambda: random_.choice(("cancel", "reset", "mcp/", "mcp/messages/", "upload")),
    )
    right = [["cat"], 1.0, "preserve", "text", "vocabulary", [], 0.1, 0.1, True]
    while True:
        event = random_.choice(events)
        path = "queue/join" if random_.random() < 0.7 else random_.choice(wheres)()
        body: dict[str, Any] = {
            "data": [mutated(random_) for _ in event["inputs"]],
            "session_hash": f"fuzz{random_.randrange(50)}",
            "fn_index": event["id"],
            "event_id": "abc",
        }
        if path == "call/erase":
            body["data"] = [mutated(random_) if random_.random() < 0.2 else value for value in right]
        if random_.random() < 0.3:
            body[random_.choice((*body, "trigger_id", "event_data", "forget", "batched"))] = mutated(random_)
        text = written(body if random_.random() < 0.95 else mutated(random_))
        if random_.random() < 0.1:
            cut = random_.randrange(len(text) + 1)
            text = text[:cut] + bytes([random_.randrange(256)]) + text[cut + random_.randrange(3) :]
        yield path, text


@pytest.mark.parametrize("carried", [None, 5, "erase index story", ["erase", "index"], {"index": -5}, {"index": 10**9}])
def test_a_click_may_carry_anything(app: App, carried: Any):
    for event in app.get("/config").json()["dependencies"]:
        if not event["backend_fn"]:
            continue
        asked = {"session_hash": "clicks", "fn_index": event["id"], "event_data": carried}
        assert app.post(f"{API}/queue/join", json={"data": [None] * len(event["inputs"]), **asked}).status_code == 200
    with app.stream("GET", f"{API}/queue/data?session_hash=clicks") as answers:
        for line in answers.iter_lines():
            if "close_stream" in line:
                break
    assert not TRACEBACK.search(app.logged().encode())


def test_hundreds_of_random_requests_are_answered_without_an_error_of_ours(app: App):
    seen: dict[int, int] = {}
    events = app.get("/config").json()["dependencies"]
    chosen = requests(random.Random(12), events)  # noqa: S311
    for path, text in itertools.islice(chosen, REQUESTS):
        answer = app.post(f"{API}/{path}", content=text, headers={"Content-Type": "application/json"})
        assert answer.status_code < 500, (path, text[:300], answer.text[:300])
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
    assert seen[200] > REQUESTS / 10, f"hardly anything got as far as an event: {seen}"
    log = app.logged()
    assert not TRACEBACK.search(log.encode()), log[-5000:]
    assert app.get("/").status_code == 200
