"""Things break: the visitor is told in a sentence, and the next request works. Real processes, real limits."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from helpers.calling import visiting
from helpers.fakes import drawing
from helpers.watched import served
from PIL import Image

from unlearn.bench.serving import ROOT


@contextmanager
def largest_file(pid: int, n_bytes: int):
    """No file of the process grows past ``n_bytes`` meanwhile: what a full disk does, and any user may do."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def unlearn(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "unlearn", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.slow
def test_a_stopped_server_is_gone_at_once_though_a_run_is_under_way(tmp_path):
    log = tmp_path / "log"
    with served(log=log) as (address, process):
        with visiting(address) as visitor:
            states = visitor.submit(["cat"], 500, api_name="/cliperase")
            while next(states)["state"] != "running":
                pass
            process.terminate()
            start = time.monotonic()
            assert process.wait(timeout=20) == 128 + signal.SIGTERM
        assert time.monotonic() - start < 5
    assert "Traceback" not in log.read_text()


def served_file(address: str, path: str) -> int:
    """The status that a file of gradio's cache is answered with."""
    try:
        with urllib.request.urlopen(f"{address}/gradio_api/file={path}", timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_visitors_files_end_with_the_process(tmp_path, number):
    drawing("cat").save(tmp_path / "cat.png")
    parent = tmp_path / "uploads"
    settings = {"log": tmp_path / "log", "GRADIO_TEMP_DIR": str(parent)}
    fake = "tests/helpers/fake_app.py"
    with served(fake, **settings) as (other, _), visiting(other) as beside:
        beside.predict(["cat"], handle_file(tmp_path / "cat.png"), api_name="/zero_shot")
        with served(fake, **settings) as (address, process):
            with visiting(address) as visitor:
                visitor.predict(["cat"], handle_file(tmp_path / "cat.png"), api_name="/zero_shot")
            theirs, mine = sorted(parent.rglob("*.png"), key=lambda path: path.stat().st_mtime_ns)
            assert mine.parts[:-2] != theirs.parts[:-2]
            assert served_file(address, str(mine)) == 200
            assert served_file(address, str(theirs)) in {403, 404}
            process.send_signal(number)
            process.wait(timeout=20)
        assert mine.exists() == (number == signal.SIGKILL)
        with served(fake, **settings) as (address, _):
            assert served_file(address, str(mine)) in {403, 404}
            assert not mine.exists()
            assert served_file(other, str(theirs)) == 200, "two apps side by side"
    assert not list(parent.iterdir())


def streamed(address: str, name: str, data: list[object]) -> tuple[str, urllib.request.Request]:
    """A call of the endpoint ``name`` by a program of a few lines, and the request that listens to it."""
    body = json.dumps({"data": data}).encode()
    call = urllib.request.Request(f"{address}/gradio_api/call/{name}", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(call, timeout=30) as answer:
        event = json.load(answer)["event_id"]
    return event, urllib.request.Request(f"{address}/gradio_api/call/{name}/{event}")


@pytest.mark.slow
@pytest.mark.parametrize("listens", [True, False])
def test_the_run_of_a_program_that_is_gone_is_ended(tmp_path, listens):
    with served(log=tmp_path / "log") as (address, _), visiting(address) as visitor:
        _, listening = streamed(address, "cliperase", [["cat"], 500, None, "all", "cosine", 0])
        if listens:
            with urllib.request.urlopen(listening, timeout=60) as stream:
                while b"running" not in stream.readline():
                    pass
        start = time.monotonic()
        # It has its turn once the other's run was ended.
        states = visitor.submit(["dog"], 1, None, "projections", "cosine", 0, api_name="/cliperase")
        while next(states)["state"] == "waiting":
            pass
        assert time.monotonic() - start < 60


def test_no_word_of_a_visitors_is_in_the_log(tmp_path):
    """Through whatever gradio, uvicorn and the app do with it: values that fit nowhere, and a path with a query."""
    word, log = "secretword", tmp_path / "log"
    with served("tests/helpers/fake_app.py", log=log) as (address, _):
        bodies = [
            {"data": [[{"a": word}], word]},
            {"data": {word: word}},
            {"data": [word] * 40},
            {"data": [[word], {"path": f"/{word}", "meta": {"_type": "gradio.FileData"}}]},
        ]
        for name in ("erase", "zero_shot", "export", "audit", "import", word):
            for body in bodies:
                for way in ("call/", "call/v2/", "run/", "api/"):
                    request = urllib.request.Request(
                        f"{address}/gradio_api/{way}{name}?{word}={word}",
                        json.dumps(body).encode(),
                        {"Content-Type": "application/json"},
                    )
                    try:
                        with urllib.request.urlopen(request, timeout=30) as answer:
                            answer.read()
                    except urllib.error.HTTPError as error:
                        error.close()
        time.sleep(2)  # what was put in line is worked off
    assert word not in log.read_text()
    assert "Traceback" not in log.read_text()


def test_a_full_queue_is_told(tmp_path):
    with served("tests/helpers/fake_app.py", log=tmp_path / "log", UNLEARN_QUEUE_SIZE="1") as (address, _):
        visitors = [Client(address, verbose=False) for _ in range(12)]
        with ThreadPoolExecutor(len(visitors)) as pool:
            asked = [pool.submit(visitor.predict, ["cat"], api_name="/erase") for visitor in visitors]
        errors = [str(error) for request in asked if (error := request.exception()) is not None]
        assert errors, "twelve at once fitted into a queue of one"
        assert all("Queue is full" in error for error in errors), errors
        assert visitors[0].predict(["dog"], api_name="/erase")["forget"] == ["dog"]
        for visitor in visitors:
            visitor.close()


def test_no_room_for_an_upload_and_then_there_is(tmp_path):
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    drawing("cat").save(small)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)).save(large)
    with served("tests/helpers/fake_app.py", log=tmp_path / "log") as (address, process), visiting(address) as visitor:
        with largest_file(process.pid, 100_000):
            with pytest.raises(Exception, match="507") as raised:
                visitor.predict([], handle_file(large), api_name="/zero_shot")
            assert "Traceback" not in str(raised.value)
            assert visitor.predict(["cat", "dog"], handle_file(small), api_name="/zero_shot")["offered"] == 2
        assert visitor.predict(["cat", "dog"], handle_file(large), api_name="/zero_shot")["offered"] == 2


def test_no_room_for_an_export(tmp_path):
    with largest_file(os.getpid(), 1_000_000):  # the child inherits it
        ended = unlearn("erase", "--forget", "cat", "--out", str(tmp_path / "erased"))
    assert ended.returncode == 2
    assert ended.stderr.strip().endswith("erase: There is no room on the disk for this; try again once there is.")
    assert "Traceback" not in ended.stderr


@pytest.fixture
def broken_weights(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"\x08\0\0\0\0\0\0\0{broken}" + bytes(1000))
    return path


def test_broken_weights_end_the_app_in_a_sentence(broken_weights, tmp_path):
    log = tmp_path / "log"
    with served(log=log, UNLEARN_MODEL=f"ViT-S-32-alt/{broken_weights}") as (_, process):
        assert process.wait(timeout=100) == 2
    assert "could not be loaded" in log.read_text()
    assert "Traceback" not in log.read_text()


def test_broken_weights_end_the_command_in_a_sentence(broken_weights):
    ended = unlearn("evaluate", "--model", f"ViT-S-32-alt/{broken_weights}")
    assert ended.returncode == 2
    assert "could not be loaded" in ended.stderr
    assert "Traceback" not in ended.stderr


class HubThatHangsUp(BaseHTTPRequestHandler):
    """Knows any file of a model, and ends the connection half-way through its weights."""

    config = b'{"model_cfg": {"embed_dim": 32, "vision_cfg": {}, "text_cfg": {}}, "preprocess_cfg": {}}'

    hung_up = 0

    def do_HEAD(self):
        self.answer(head_only=True)

    def do_GET(self):
        self.answer(head_only=False)

    def answer(self, head_only):
        body = self.config if self.path.endswith(".json") else bytes(500_000)
        self.send_response(200)
        for name, value in (
            ("ETag", f'"{len(body)}"'),
            ("X-Repo-Commit", "0" * 40),
            ("Content-Length", str(len(body))),
        ):
            self.send_header(name, value)
        self.end_headers()
        if not head_only:
            half = 0 if "Range" in self.headers else len(body) // 2  # nor does asking for the rest help
            self.wfile.write(body if body is self.config else body[:half])
            HubThatHangsUp.hung_up += body is not self.config
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def hub():
    server = ThreadingHTTPServer(("127.0.0.1", 0), HubThatHangsUp)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_download_cut_off_half_way_is_told_and_pocket_stays_usable(hub, tmp_path):
    environ = {"HF_ENDPOINT": hub, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
    with (
        served("tests/helpers/fake_app.py", log=tmp_path / "log", **environ) as (address, _),
        visiting(address) as visitor,
    ):
        with pytest.raises(AppError, match="could not be (loaded|fetched)") as raised:
            visitor.predict("hf-hub:somebody/clip", api_name="/model")
        assert "Traceback" not in str(raised.value)
        assert visitor.predict(["cat"], api_name="/erase")["forget"] == ["cat"]
    assert HubThatHangsUp.hung_up, "the weights were never asked for"
    assert not list((tmp_path / "hf").rglob("*.safetensors")), "half a file must not be taken for a whole one"
