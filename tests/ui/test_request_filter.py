"""The request filter by itself, before an app that says yes to everything."""

from __future__ import annotations

import asyncio
import errno
import re
from typing import Any

import pytest

from unlearn.config import Settings
from unlearn.ui.server.request_filter import RequestFilter
from unlearn.ui.server.routes import find_route


async def yes(scope: dict[str, Any], receive: Any, send: Any) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message["body"]), message.get("more_body", False)
    headers = [
        (b"content-type", b"text/html"),
        *((name, dict(scope["headers"]).get(name, b"")) for name in (b"x-forwarded-for", b"x-awaited-by")),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": str(size).encode()})


def ask(
    guard: RequestFilter,
    path: str = "/",
    *,
    method: str = "GET",
    body: bytes = b"",
    address: str = "192.0.2.1",
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer; ``body`` arrives in pieces of a megabyte, without a length."""
    pieces = [body[start : start + 1_000_000] for start in range(0, len(body), 1_000_000)] or [b""]
    messages = [
        {"type": "http.request", "body": piece, "more_body": i < len(pieces) - 1} for i, piece in enumerate(pieces)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    if method == "POST" and b"content-type" not in dict(raw):
        raw.append((b"content-type", b"multipart/form-data; boundary=x" if "upload" in path else b"application/json"))
    scope = {"type": "http", "method": method, "path": path, "headers": raw, "client": (address, 1)}
    asyncio.run(guard(scope, receive, send))
    reported = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], reported, sent[1]["body"]


@pytest.mark.parametrize(
    "path",
    ["/", "/config", "/assets/index.js", "/static/img/logo.svg", "/gradio_api/queue/join", "/gradio_api/mcp/",
     "/gradio_api/file=/tmp/gradio/1/cat.png", "/gradio_api/upload"],
)  # fmt: skip
def test_what_the_page_needs_is_served(path: str):
    assert find_route(path)


@pytest.mark.parametrize(
    "path",
    ["/monitoring", "/login", "/gradio_api/proxy=https://a.hf.space/x", "/gradio_api/file=http://169.254.169.254/",
     "/gradio_api/file=ftp://host/x", "/gradio_api/file/etc/passwd", "/gradio_api/process_recording",
     "/gradio_api/deep_link", "/gradio_api/component_server", "/gradio_api/vibe-code", "/gradio_api/", "/gradio_api",
     "/.git/config", "/gradio_api/../app.py", "//assets/x", "/gradio_api/custom_component/a/client/b/c.py"],
)  # fmt: skip
def test_what_it_does_not_need_is_not_there(path: str):
    assert not find_route(path)
    assert ask(RequestFilter(yes, Settings()), path)[0] == 404


def test_every_answer_carries_the_headers():
    for path in ("/", "/nothing"):
        _, headers, _ = ask(RequestFilter(yes, Settings()), path)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'self'"
        assert policy["object-src"] == "'none'"
        assert policy["frame-ancestors"] == "'self'"
        assert "http" not in headers["content-security-policy"], "nothing is loaded from elsewhere"
    assert ask(RequestFilter(yes, Settings()))[1]["Cache-Control".lower()] == "no-store"


def test_only_a_space_may_be_framed_by_the_hub():
    on_space = Settings.from_env({"SPACE_ID": "somebody/unlearn"})
    assert (
        "frame-ancestors 'self' https://huggingface.co"
        in ask(RequestFilter(yes, on_space))[1]["content-security-policy"]
    )


def test_a_request_that_is_too_large_is_told_so_with_and_without_a_length():
    guard = RequestFilter(yes, Settings(max_request_mb=2))
    assert ask(guard, "/gradio_api/upload", method="POST", body=b"x" * 2_000_000)[2] == b"2000000"
    for headers in ({}, {"Content-Length": "3000000"}):
        status, _, body = ask(guard, "/gradio_api/upload", method="POST", body=b"x" * 3_000_000, headers=headers)
        assert status == 413
        assert b"at most 2 MB" in body


def test_who_asks_too_often_is_told_to_wait_and_nobody_else_is():
    guard = RequestFilter(yes, Settings(requests_per_minute=10))
    answers = [ask(guard, "/gradio_api/queue/join", method="POST", body=b"{}")[0] for _ in range(12)]
    assert answers == [200] * 10 + [429] * 2
    _, headers, body = ask(guard, "/gradio_api/queue/join", method="POST", body=b"{}")
    assert int(headers["retry-after"]) >= 1
    assert b"Too many requests from your address" in body
    assert ask(guard, "/gradio_api/queue/join", method="POST", body=b"{}", address="192.0.2.2")[0] == 200
    assert ask(guard, "/assets/index.js")[0] == 200, "what is read from the disk is not counted"


def test_megabytes_are_paid_for():
    guard = RequestFilter(yes, Settings(requests_per_minute=10))
    assert ask(guard, "/gradio_api/upload", method="POST", body=b"x" * 12_000_000)[0] == 200
    assert ask(guard, "/gradio_api/upload", method="POST")[0] == 429


def test_a_forwarded_address_is_believed_of_nobody_by_the_filter_itself():
    guard = RequestFilter(yes, Settings(requests_per_minute=1))
    answers = [ask(guard, headers={"X-Forwarded-For": f"10.0.0.{i}"})[0] for i in range(3)]
    assert answers == [200, 429, 429]


def test_an_assistants_call_goes_on_in_the_visitors_name():
    _, headers, _ = ask(RequestFilter(yes, Settings()), "/gradio_api/mcp/", headers={"X-Forwarded-For": "10.9.9.9"})
    assert headers["x-forwarded-for"] == "192.0.2.1"


def test_an_assistants_request_gets_a_name_that_nobody_chooses():
    guard = RequestFilter(yes, Settings())
    names = {ask(guard, "/gradio_api/mcp/", headers={"X-Awaited-By": "mine"})[1]["x-awaited-by"] for _ in range(3)}
    assert len(names - {"", "mine"}) == 3


@pytest.mark.parametrize(
    ("host", "status"),
    [("demo.example", 200), ("Demo.Example:443", 200), ("localhost:7860", 200), ("evil.example", 400), ("", 200)],
)
def test_where_hosts_are_named_no_other_is_answered(host: str, status: int):
    guard = RequestFilter(yes, Settings(allowed_hosts="demo.example"))
    assert ask(guard, headers={"Host": host})[0] == status
    assert ask(guard, headers={"Host": "demo.example", "X-Forwarded-Host": host})[0] == status
    assert ask(RequestFilter(yes, Settings()), headers={"Host": host})[0] == 200


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(OSError(errno.ENOSPC, "No space left on device"), b"no room on the disk"), (MemoryError(), b"not enough memory")],
)
def test_what_runs_out_before_an_event_is_told_and_the_next_request_works(error, sentence):
    failing = [error]

    async def once(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if failing:
            raise failing.pop()
        await yes(scope, receive, send)

    guard = RequestFilter(once, Settings())
    status, headers, body = ask(guard, "/gradio_api/upload", method="POST", body=b"picture")
    assert status == 507
    assert sentence in body
    assert headers["x-content-type-options"] == "nosniff"
    assert ask(guard, "/gradio_api/upload", method="POST", body=b"picture")[0] == 200


def test_a_mistake_of_ours_is_a_sentence_and_one_line_in_the_log(caplog):
    async def wrong(scope: dict[str, Any], receive: Any, send: Any) -> None:
        raise KeyError("what the visitor sent")

    status, _, body = ask(RequestFilter(wrong, Settings()), "/gradio_api/upload", method="POST")
    assert status == 500
    (line,) = [record.getMessage() for record in caplog.records]
    number = re.search(r"error ([0-9a-f]{8})", line).group(1)
    assert number in body.decode()
    assert "KeyError at " in line
    assert "ui/test_request_filter.py:" in line
    assert "what the visitor sent" not in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("kind", "ended"), [(b"text/event-stream", True), (b"image/png", False)], ids=["stream", "file"]
)
def test_of_what_fails_half_way_only_a_stream_ends_as_if_whole(kind: bytes, ended: bool):
    sent: list[dict[str, Any]] = []

    async def half(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise KeyError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "client": ("192.0.2.1", 1)}
    asyncio.run(RequestFilter(half, Settings())(scope, None, send))
    assert sent[-1].get("more_body", False) is not ended
