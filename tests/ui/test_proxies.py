"""The app under a path of another site, behind a proxy that keeps that path and one that takes it off."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from helpers.calling import visiting

from unlearn.bench.serving import free_port, served
from unlearn.ui.server.proxies import usable_proxies

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")
PATHS = ("/", "/config", "/gradio_api/info", "/gradio_api/mcp/schema", "/theme.css", "/gradio_api/app_id")


@pytest.fixture(scope="module", params=["/sub", "/a/b/"])
def under(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """An app's address and the path that it believes itself under."""
    log = tmp_path_factory.mktemp("under") / "log"
    with served("tests/helpers/fake_app.py", log=log, GRADIO_ROOT_PATH=request.param) as (address, _):
        yield address, request.param.rstrip("/")
    assert "Traceback" not in log.read_text()


def test_everything_is_there_with_the_prefix_and_without(under: tuple[str, str]):
    address, prefix = under
    for path in PATHS:
        for start in ("", prefix):
            answer = httpx.get(f"{address}{start}{path}", timeout=30)
            assert answer.status_code == 200, (start, path, answer.text)
    assert httpx.get(f"{address}{prefix}", timeout=30).status_code == 200
    assert httpx.get(f"{address}{prefix}/config").json()["root"] == f"{address}{prefix}"
    for path in ("/gradio_api/run/erase", f"{prefix}/monitoring", "/sub2/config"):
        assert httpx.get(f"{address}{prefix}{path}").status_code in {404, 405}


def test_a_program_calls_under_the_prefix(under: tuple[str, str]):
    address, prefix = under
    with visiting(f"{address}{prefix}/") as visitor:
        assert visitor.predict(["cat"], api_name="/erase")["forget"] == ["cat"]


@contextmanager
def proxied(folder: Path, address: str, target: str) -> Iterator[str]:
    """The address of nginx, which passes all under ``/sub/`` on to ``target`` of the app at ``address``."""
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid; error_log {folder}/errors; worker_processes 1; events {{}}\n"
        "http { access_log off;\n"
        + "".join(
            f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + f"server {{ listen 127.0.0.1:{port}; location /sub/ {{ proxy_pass {address}{target};\n"
        "proxy_http_version 1.1; proxy_buffering off; proxy_set_header Host $http_host;\n"
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }}}\n"
    )
    command = [
        NGINX,
        "-c",
        str(folder / "nginx.conf"),
        "-p",
        str(folder),
        "-e",
        str(folder / "errors"),
        "-g",
        "daemon off;",
    ]
    process = subprocess.Popen(command)
    try:
        for _ in range(100):
            try:
                httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/sub/"
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.mark.skipif(NGINX is None, reason="Debian's nginx is not installed")
@pytest.mark.parametrize("target", ["/sub/", "/"], ids=["kept", "taken off"])
def test_behind_nginx(tmp_path: Path, target: str):
    with (
        served("tests/helpers/fake_app.py", log=tmp_path / "log", GRADIO_ROOT_PATH="/sub") as (address, _),
        proxied(tmp_path, address, target) as public,
    ):
        page = httpx.get(public, timeout=30)
        assert page.status_code == 200
        assert public.rstrip("/") in page.text, "the page knows its own address"
        with visiting(public) as visitor:
            assert visitor.predict(["cat"], api_name="/erase")["forget"] == ["cat"]
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_proxies_of_the_environment_are_those_that_can_be_used(capsys: pytest.CaptureFixture[str]):
    environ = {
        "ALL_PROXY": "socks://127.0.0.1:1080",
        "http_proxy": "proxy.example:3128",
        "HTTPS_PROXY": "socks4://127.0.0.1:9",
    }
    usable_proxies(environ)
    assert environ == {"ALL_PROXY": "socks5://127.0.0.1:1080", "http_proxy": "proxy.example:3128"}
    assert (
        capsys.readouterr().err
        == "HTTPS_PROXY names a proxy of the kind socks4, which cannot be used and is left out.\n"
    )
