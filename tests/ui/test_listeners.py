"""Who listens to a stream is known, and a run of somebody who does not is ended; a page's run goes on."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from gradio.context import LocalContext

from unlearn.app.runs.audits import AUDIT
from unlearn.app.session import PAYER, Visitor
from unlearn.progress import State, Status
from unlearn.ui import background
from unlearn.ui.api.runs import RunEndpoints
from unlearn.ui.background import poll
from unlearn.ui.guard import on_screen
from unlearn.ui.server import listeners
from unlearn.ui.server.listeners import Attention, Listeners, stream_of


def asked(path: str, query: str = "", method: str = "GET", prefix: str = "", **headers: str) -> dict[str, object]:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {
        "type": "http", "method": method, "path": prefix + path, "root_path": prefix, "query_string": query.encode(),
        "headers": raw,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        (asked("/gradio_api/queue/data", "session_hash=abc&x=1"), "abc"),
        (asked("/gradio_api/call/audit/event1"), "event1"),
        (asked("/gradio_api/call/v2/audit/event1/"), "event1"),
        (asked("/gradio_api/call/audit/event1", prefix="/under/a/proxy"), "event1"),
        (asked("/gradio_api/mcp/", method="POST", x_awaited_by="assistant"), "assistant"),
        (asked("/gradio_api/mcp", method="POST", prefix="/p", x_awaited_by="assistant"), "assistant"),
        (asked("/gradio_api/mcp/messages/", method="POST", x_awaited_by="assistant"), ""),
        (asked("/gradio_api/queue/data"), ""),
        (asked("/gradio_api/call/audit", method="POST"), ""),
        (asked("/gradio_api/heartbeat/abc"), ""),
        ({"type": "lifespan"}, ""),
    ],
)
def test_a_stream_is_told_from_other_requests(scope, name):
    assert stream_of(scope) == name


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(listeners.time, "monotonic", lambda: now.seconds)
    return now


@pytest.fixture
def call():
    """A call of the session "abc" is being answered."""
    token = LocalContext.request.set(
        SimpleNamespace(session_hash="abc", client=SimpleNamespace(host="2001:db8::1"), headers={})
    )
    yield
    LocalContext.request.reset(token)


def test_attention_lasts_as_long_as_the_stream_and_a_little_longer(clock, call):
    attention = Attention()

    async def app(scope, receive, send):
        clock.seconds += 1000
        assert attention()

    assert attention(), "the stream may not be open yet"
    asyncio.run(Listeners(app)(asked("/gradio_api/queue/data", "session_hash=abc"), None, None))
    assert attention()
    clock.seconds += listeners.GRACE - 1
    assert attention(), "a connection may break and be made again"
    clock.seconds += 1
    assert not attention()
    asyncio.run(Listeners(app)(asked("/gradio_api/queue/data", "session_hash=abc"), None, None))


def test_a_call_for_an_assistant_is_heard_while_the_assistant_waits(clock, call):
    """The stream of the call itself is gradio's own, which outlives the assistant's request."""
    LocalContext.request.get().headers["x-awaited-by"] = "assistant"
    attention = Attention()

    async def assistants(scope, receive, send):
        clock.seconds += 1000
        assert attention()

    async def gradios(scope, receive, send):
        await Listeners(assistants)(asked("/gradio_api/mcp/", method="POST", x_awaited_by="assistant"), None, None)
        assert attention()
        clock.seconds += listeners.GRACE
        assert not attention()

    asyncio.run(Listeners(gradios)(asked("/gradio_api/queue/data", "session_hash=abc"), None, None))


def test_where_nobody_called_attention_is_not_asked_for(clock):
    attention = Attention()
    clock.seconds += 1000
    assert attention()


class Runs:
    """A queue with one run that does not end by itself."""

    def __init__(self, status: Status):
        self.status = status
        self.cancelled: list[str] = []

    def find(self, key: str) -> Status:
        return self.status

    def cancel(self, key: str) -> None:
        self.cancelled.append(key)


@pytest.mark.parametrize("way", ["deaf", "closed", "ended"])
def test_a_run_ends_with_the_stream_that_was_to_tell_of_it(way, clock, call, monkeypatch):
    monkeypatch.setattr(background, "POLL", 0)
    status = Status(State.DONE if way == "ended" else State.RUNNING)
    runs, visitor = Runs(status), Visitor()
    endpoints = RunEndpoints(lambda: SimpleNamespace(jobs=runs))

    async def listen() -> None:
        stream = endpoints._streamed(visitor, AUDIT)
        assert await anext(stream) is status
        if way == "deaf":
            clock.seconds += listeners.GRACE
        if way == "closed":
            await stream.aclose()
        else:
            assert [status async for status in stream] == []

    asyncio.run(listen())
    assert runs.cancelled == [visitor.job_keys["audit"]]


def test_a_page_that_looks_at_a_run_is_not_asked(clock, monkeypatch):
    monkeypatch.setattr(background, "POLL", 0)
    looks = iter([Status(State.RUNNING), Status(State.RUNNING), Status(State.DONE)])

    def look() -> Status:
        clock.seconds += 1000
        return next(looks)

    async def watch() -> list[Status]:
        return [status async for status in poll(look)]

    assert [status.state for status in asyncio.run(watch())] == [State.RUNNING, State.DONE]


def test_a_handler_knows_who_pays(call):
    assert on_screen(PAYER.get)() == "2001:db8::/64"
    LocalContext.request.set(None)
    assert on_screen(PAYER.get)() == ""


@pytest.mark.parametrize(
    "key", [None, 7, "", "short", "a" * 33, "A" * 32, "٣" * 32, "0" * 32 + "/drawing", ["0" * 32], {"a": 1}, "0" * 9999]
)
def test_a_browsers_memory_is_taken_only_for_a_key(key):
    visitor = Visitor()
    own = visitor.key
    visitor.take_key(key)
    assert visitor.key == own
    other = Visitor()
    visitor.take_key(other.key)
    assert visitor.key == other.key != own
