"""The attacks are the same in every run, and what must not be is counted and fails the command."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from importlib import import_module

import pytest

from unlearn.bench.faults import fuzz, images, indexes
from unlearn.bench.faults.tally import FaultTally
from unlearn.bench.faults.target import PRIVATE, TRACEBACK, Target
from unlearn.bench.faults.wire import CallResult, Request, Response, Wire
from unlearn.bench.table import Table
from unlearn.cli import main
from unlearn.ui.guard import UNEXPECTED

DOORS = fuzz.Doors({"erase": ['["cat"]', "1"], "link": ["[]"]}, {"start": 3}, {0: 3, 1: 2})


@contextmanager
def server_that_says(*answers: bytes):
    """Says one of ``answers`` to each connection, whatever comes; yields its address and what came."""
    came: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    came.append(connection.recv(65_536))
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", came
        thread.join()


def test_requests_are_the_same_in_every_run_and_of_every_kind():
    first, again = (list(fuzz.Fuzzer(DOORS, "s").requests(300)) for _ in range(2))
    assert first == again
    assert len(set(map(str, first))) > 200
    assert sum(request.forbidden for request in first) == 300 // len(fuzz.KINDS)


def test_damaged_images_are_the_same_in_every_run_and_no_two_alike():
    first, again = (list(images.damaged(84)) for _ in range(2))
    assert first == again
    sound = {images.drawn(kind) for kind in images.FORMATS}
    assert len({content for _, content in first} - sound) > 75


def test_every_index_folder_is_opened_though_some_end_the_process(monkeypatch: pytest.MonkeyPatch):
    tally = FaultTally("folders")
    monkeypatch.setattr(indexes, "MEMORY", 6_000_000_000)
    indexes.attack(tally, 12)
    assert tally.tried == 12
    assert tally.served
    assert tally.refused


def test_answers_are_counted_by_what_they_say():
    tally = FaultTally("t", secrets=(b"zugzwang",))
    tally.answer("a", Response(200, b"fine"))
    tally.answer("b", Response(422, b"no"))
    tally.answer("c", Response(503, b"queue"))
    tally.answer("d", Response(0))
    tally.answer("e", Response(404, b"zugzwang"))
    tally.answer("f", Response(400, b"Traceback (most recent call last)"))
    tally.answer("g", Response(200), forbidden=True)
    assert (tally.tried, tally.served, tally.refused, tally.broken, tally.wrong) == (7, 1, 1, 1, 4)


def test_an_error_without_a_sentence_is_a_fault():
    tally = FaultTally("t")
    tally.result("a", CallResult("error", {"error": "Name a concept."}))
    tally.result("b", CallResult("error", {"error": None}))
    tally.result("c", CallResult("error", {"error": f"{UNEXPECTED} (a1b2)"}))
    tally.result("d", CallResult("refused", {"detail": "full"}, 503))
    tally.result("e", CallResult("refused", {"detail": "wait"}, 429))
    tally.result("f", CallResult("refused", {"detail": "wait"}, 429), owed=True)
    tally.result("g", CallResult("lost"))
    assert (tally.refused, tally.broken, tally.wrong) == (2, 3, 2)
    assert tally.failures == len(tally.examples) == 5


def test_what_another_process_counted_is_added():
    tally, other = FaultTally("t"), FaultTally("t")
    tally.answer("a", Response(200, b"fine"))
    for result in (CallResult("complete"), CallResult("lost"), CallResult("refused", {"detail": "wait"}, 429)):
        other.result("b", result)
    tally.add(json.loads(json.dumps(other.counts())))
    assert (tally.tried, tally.served, tally.refused, tally.wrong) == (4, 2, 1, 1)
    assert tally.examples == other.examples != []


def test_a_log_is_read_once_and_has_no_words_of_visitors(tmp_path):
    log, tally = tmp_path / "log", FaultTally("t")
    log.write_text("Traceback (most recent call last):\n")
    target = Target("", None, log, tmp_path)
    target.look_at_log(tally, "first")
    log.write_text(log.read_text() + f"ValueError: {PRIVATE}\n")
    target.look_at_log(tally, "second")
    assert (tally.tracebacks, tally.wrong) == (1, 1)


@pytest.mark.parametrize(
    ("log", "found"),
    [
        ("INFO x: Traceback\nWARNING y: error", 0),
        ("Traceback (most recent call last):\n  File\nX\nTraceback (most recent call last):\n  File\nY\n", 2),
        ("ERROR:    Exception in ASGI application\nTraceback (most recent call last):\n", 1),
        ("WARNING a\nERROR unlearn.logs: error 1a2b: KeyError at ui/x.py:3\nCRITICAL b\n", 2),
    ],
)
def test_an_error_in_the_log_counts_with_its_traceback_or_without(log: str, found: int):
    assert len(TRACEBACK.findall(log.encode())) == found


def test_a_request_goes_over_the_wire_as_it_is():
    with server_that_says(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno", b"") as (address, came):
        visitor = Wire(address)
        request = Request("G\x01T", "/%00/../x", (("Host", "a b"), ("X", "\xff")), b"\x00")
        assert visitor.send(request) == Response(400, b"no")
        assert visitor.get("/") == Response(0)
    assert came[0].startswith(b"G\x01T /%00/../x HTTP/1.1\r\n")
    assert b"Host: a b\r\nX: \xff\r\n\r\n\x00" in came[0]
    assert b"Content-Length: 1\r\n" in came[0]


@pytest.mark.parametrize("failures", [(), ("fuzz: GET / → 500",)])
def test_the_command_fails_with_what_was_found(failures, tmp_path, monkeypatch, capsys):
    table = Table("faults", ("a",), (("b",),), "note", failures)
    monkeypatch.setattr(import_module("unlearn.bench.faults"), "run", lambda quick: table)
    page = tmp_path / "page.md"
    page.write_text("<!-- bench:faults -->\n<!-- /bench:faults -->")
    assert main(["bench", "faults", "--quick", "--write", str(page)]) == (2 if failures else 0)
    assert "| b |" in page.read_text()
    assert all(failure in capsys.readouterr().err for failure in failures)
