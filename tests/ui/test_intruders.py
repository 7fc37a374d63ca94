"""What a hostile visitor tries over HTTP, and what comes of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from helpers.calling import visiting
from helpers.watched import served

from unlearn.bench.serving import ROOT

JSON = {"Content-Type": "application/json"}
FILE = {"meta": {"_type": "gradio.FileData"}}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """A web server on this machine, and the paths that were asked of it."""
    asked: list[str] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        do_HEAD = do_POST = do_GET  # noqa: N815  the base class asks for these names

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def call(address: str, endpoint: str, *data: Any) -> str:
    """The end of a call made by hand, as the server words it."""
    with httpx.Client(base_url=f"{address}/gradio_api", timeout=60) as web:
        begun = web.post(f"/call/{endpoint}", json={"data": data})
        return begun.text if begun.status_code != 200 else web.get(f"/call/{endpoint}/{begun.json()['event_id']}").text


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", str(ROOT / "app.py"), str(ROOT / "README.md"), "app.py", "../app.py", "/proc/self/environ",
     "/srv/gradio/../../etc/passwd", "/etc//passwd", "%2e%2e/app.py", "/dev/zero"],
)  # fmt: skip
def test_no_file_of_the_server_is_served(fake_app: str, path: str):
    for prefix in ("/gradio_api/file=", "/gradio_api/file/", "/file=", "/static/", "/assets/", "/"):
        answer = httpx.get(f"{fake_app}{prefix}{path}", follow_redirects=True, timeout=30)
        assert answer.status_code in {403, 404}
        assert "root:" not in answer.text
        assert "import" not in answer.text


@pytest.mark.parametrize("path", ["/etc/passwd", str(ROOT / "docs" / "desktop-light.png"), "../x.png", "", 7, None])
def test_no_file_of_the_server_is_taken_for_an_upload(fake_app: str, path: Any):
    for sent in ({"path": path} | FILE, {"path": path}, {"url": path} | FILE, path):
        if sent is None:
            continue
        reported = call(fake_app, "zero_shot", ["cat"], sent, [])
        assert "event: error" in reported, reported
        assert "Traceback" not in reported


def test_nothing_is_fetched_for_a_visitor(fake_app: str, elsewhere: tuple[str, list[str]]):
    address, asked = elsewhere
    for host in (address, address.replace("127.0.0.1", "localhost"), address.replace("http:", "HTTP:")):
        url = f"{host}/cat.png"
        for sent in ({"path": url} | FILE, {"path": "cat.png", "url": url} | FILE, {"path": url}, url):
            assert "event: error" in call(fake_app, "zero_shot", ["cat"], sent, [])
        call(fake_app, "retrieve", {"path": url} | FILE, None, [])
        httpx.get(f"{fake_app}/gradio_api/file={url}", timeout=30)
        httpx.get(f"{fake_app}/gradio_api/proxy={url}", timeout=30)
    reported = call(fake_app, "zero_shot", ["cat"], {"path": f"{address}/cat.png"} | FILE, [])
    assert "Send the file itself" in reported
    assert asked == []


def test_what_is_behind_a_forged_host_is_not_asked(fake_app: str, elsewhere: tuple[str, list[str]]):
    address, asked = elsewhere
    forged = {"X-Forwarded-Host": address.removeprefix("http://"), "Accept": "application/json, text/event-stream"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "trade_off", "arguments": {}}}
    httpx.post(f"{fake_app}/gradio_api/mcp/", json=body, headers=forged, timeout=60)
    page = httpx.get(fake_app, headers=forged, timeout=30)
    assert page.headers["cache-control"] == "no-store", "a page written for one is not kept for others"
    assert asked == []


def test_an_upload_that_is_too_large_is_refused(fake_app: str, tmp_path: Path):
    large = tmp_path / "large.png"
    large.write_bytes(b"\x89PNG" + bytes(11_000_000))
    answer = httpx.post(f"{fake_app}/gradio_api/upload", files={"files": large.read_bytes()}, timeout=60)
    assert answer.status_code == 413
    with visiting(fake_app) as client, pytest.raises(Exception, match="413|too large|exceed"):
        client.predict(["cat"], handle_file(large), api_name="/zero_shot")


def test_a_request_without_a_length_is_cut_off(fake_app: str):
    def endless() -> Iterator[bytes]:
        for _ in range(70):
            yield bytes(1_000_000)

    answer = httpx.post(f"{fake_app}/gradio_api/call/erase", content=endless(), headers=JSON, timeout=60)
    assert answer.status_code in {400, 413}


@pytest.mark.parametrize(
    "data",
    [[], [None], [{"a": 1}], [["cat"]] * 40, [[["cat"]]], [["cat"], [], {}, None], ["a" * 100_000], [[None]], [[1, 2]],
     [["\u0000"]], [["cat"], True]],
)  # fmt: skip
def test_a_call_of_nonsense_is_a_sentence_or_a_result(fake_app: str, data: list[Any]):
    reported = call(fake_app, "erase", *data)
    assert "event: error" in reported or "event: complete" in reported or "detail" in reported
    assert "Traceback" not in reported
    assert 'File "' not in reported


def test_the_pages_own_events_are_not_open_to_programs(client: Client):
    with pytest.raises((AppError, ValueError), match="private|not.*found|Cannot find"):
        client.predict(api_name="/start")


def test_one_who_asks_too_often_waits(tmp_path: Path):
    with served("tests/helpers/fake_app.py", log=tmp_path / "log", UNLEARN_REQUESTS_PER_MINUTE="30") as (address, _):
        answers = [httpx.post(f"{address}/gradio_api/reset", json={"event_id": "x"}) for _ in range(40)]
        refused = answers[-1]
        assert answers[0].status_code == 200
        assert refused.status_code == 429
        assert refused.json()["detail"].startswith("Too many requests from your address, more than 30 a minute; wait")
        # This machine is the trusted proxy, so another visitor behind it is another visitor.
        other = {"X-Forwarded-For": "192.0.2.9"}
        assert httpx.post(f"{address}/gradio_api/reset", json={"event_id": "x"}, headers=other).status_code == 200


def test_behind_no_proxy_nobody_can_pass_for_another(tmp_path: Path):
    settings = {"UNLEARN_REQUESTS_PER_MINUTE": "30", "UNLEARN_TRUSTED_PROXIES": "192.0.2.1"}
    with served("tests/helpers/fake_app.py", log=tmp_path / "log", **settings) as (address, _):
        for number in range(40):
            forged = {"X-Forwarded-For": f"10.0.0.{number}"}
            answer = httpx.post(f"{address}/gradio_api/reset", json={"event_id": "x"}, headers=forged)
        assert answer.status_code == 429
