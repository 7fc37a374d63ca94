"""Connections that stay open, against an app that may open few files."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from unlearn.bench.faults import holding
from unlearn.bench.faults.tally import FaultTally
from unlearn.bench.faults.target import attacked
from unlearn.bench.serving import ROOT, served
from unlearn.errors import ParameterError
from unlearn.ui.server.addresses import Proxies, payer, unmapped
from unlearn.ui.server.connections import Connections, bound_socket

OPENINGS = (
    b"",
    b"GET / HTTP/1.1\r\nHost: x\r\n",
    b"GET /gradio_api/heartbeat/a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /gradio_api/queue/data?session_hash=a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /gradio_api/call/erase HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
)


class Connection:
    """One that only says whether it waits."""

    def __init__(self, since: float, *, waits: bool = True) -> None:
        self.since, self.waits_for_client, self.aborted = since, waits, False
        self.transport = self

    def abort(self) -> None:
        self.aborted = True


def test_the_one_that_waits_longest_makes_room_and_one_that_is_answered_never():
    bounds = Connections(files=64, per_address=4, proxies=Proxies("10.0.0.1"))
    first = [Connection(3), Connection(1, waits=False), Connection(2), Connection(4)]
    assert all(bounds.admit(connection, "192.0.2.1") for connection in first)
    assert bounds.admit(Connection(5), "192.0.2.1")
    assert [connection.aborted for connection in first] == [False, False, True, False]
    for connection in first:
        connection.waits_for_client = False
    busy = [Connection(9, waits=False) for _ in range(4)]
    assert [bounds.admit(connection, "192.0.2.1") for connection in busy] == [True, False, False, False]
    assert bounds.admit(Connection(6), "192.0.2.2"), "another address has its own"
    assert all(bounds.admit(Connection(7, waits=False), "10.0.0.1") for _ in range(8)), "a proxy's are many visitors'"
    assert len(bounds) <= bounds.most


def test_addresses_are_those_of_subscribers():
    assert payer("2001:db8::1") == payer("2001:db8::ffff") != payer("2001:db8:1::1")
    assert unmapped("::ffff:192.0.2.1") == payer("::ffff:192.0.2.1") == "192.0.2.1"
    assert "::ffff:10.1.2.3" in Proxies("10.0.0.0/8, ::1")
    assert "192.0.2.1" not in Proxies("10.0.0.0/8")
    assert "192.0.2.1" in Proxies("*")
    with pytest.raises(ParameterError, match="UNLEARN_TRUSTED_PROXIES"):
        Proxies("the proxy")


@pytest.fixture(scope="module")
def narrow_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The app where no more than 256 files may be open."""
    folder = tmp_path_factory.mktemp("narrow")
    log, script = folder / "log", folder / "app.py"
    script.write_text(
        "import resource, runpy, sys\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))\n"
        f"sys.path.insert(0, {str(ROOT / 'tests/ui')!r})\n"
        f"runpy.run_path({str(ROOT / 'tests/helpers/fake_app.py')!r}, run_name='__main__')\n"
    )
    with served(str(script), log=log) as (address, _):
        yield address, log


def reached(address: str, headers: dict[str, str], within: float = 10) -> int:
    """The page's status. While all connections are being answered another is refused; a browser tries again."""
    deadline = time.monotonic() + within
    while True:
        with suppress(httpx.ReadError):
            answer = httpx.get(address, headers=headers, timeout=20)
            if answer.status_code != 503 or time.monotonic() > deadline:
                return answer.status_code
        if time.monotonic() > deadline:
            return 0
        time.sleep(0.2)


def test_hundreds_of_idle_connections_leave_the_page_reachable(narrow_app: tuple[str, Path]):
    address, log = narrow_app
    url = urlsplit(address)
    with ExitStack() as held:
        for number in range(320):
            line = held.enter_context(socket.create_connection((url.hostname, url.port), timeout=10))
            with suppress(OSError):  # it may be refused before it says anything
                line.sendall(OPENINGS[number % len(OPENINGS)])
            if number % 80 == 79:
                # Another visitor, behind the proxy that this machine is.
                assert reached(address, {"X-Forwarded-For": "192.0.2.7"}) == 200
    assert httpx.get(address, timeout=20).status_code == 200
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
def test_hundreds_of_idle_connections_while_the_model_loads_keep_nobody_out():
    tally = FaultTally("idle sockets")
    with attacked(open_files="-Sn 256") as target:  # the page answers now, and the model is not loaded yet
        took = holding.sockets(target, tally, holding.SOCKETS)
        assert target.alive
        assert target.takes().files < 256
    assert not tally.examples, tally.examples
    assert took.startswith("after ")


@pytest.mark.slow
@pytest.mark.parametrize("host", ["::", "::1"])
def test_ipv6_is_listened_on_and_by_all_addresses_ipv4_too(tmp_path: Path, host: str):
    try:
        bound_socket("::1", 0).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with served("tests/helpers/fake_app.py", log=tmp_path / "log", reach="[::1]", UNLEARN_HOST=host) as (address, _):
        assert httpx.get(address, timeout=20).status_code == 200
        if host == "::":
            assert httpx.get(address.replace("[::1]", "127.0.0.1"), timeout=20).status_code == 200
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9", "socks://127.0.0.1:9"])
def test_a_proxy_in_the_environment_is_not_asked_for_the_app_itself(tmp_path: Path, proxy: str):
    names = (
        ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy") if "socks" not in proxy else ("ALL_PROXY", "all_proxy")
    )
    with served("tests/helpers/fake_app.py", log=tmp_path / "log", **dict.fromkeys(names, proxy)) as (address, _):
        assert httpx.get(address, timeout=20, trust_env=False).status_code == 200
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_as_many_files_as_allowed_may_be_open():
    code = (
        "import resource\n"
        "from unlearn.ui.server.connections import raise_file_limit\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))\n"
        "assert raise_file_limit() == hard == resource.getrlimit(resource.RLIMIT_NOFILE)[0]\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
