"""What the server keeps of uploads: the newest of each address, and nothing of one that was broken off."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.exceptions import HTTPException

from unlearn.bench.faults.wire import multipart
from unlearn.ui.server import uploads
from unlearn.ui.server.uploads import Uploads


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def receiver(folder: Path) -> Uploads:
    return Uploads(nothing, page(), per_file=1000, per_address=3000)


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("an upload reached gradio's own endpoint")


def page() -> Any:
    known: set[str] = set()
    return SimpleNamespace(upload_file_set=known, temp_file_sets=[known])


def send(
    receiver: Uploads, content: bytes, address: str = "192.0.2.1", name: str = "cat.png", body: bytes = b""
) -> list[str]:
    """Upload one file, or another ``body``, and return the paths that the sender is told."""

    async def sent() -> httpx.Response:
        transport = httpx.ASGITransport(receiver, client=(address, 1))
        headers, usual = multipart(name, content)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.post("/gradio_api/upload", content=body or usual, headers=dict(headers))

    paths: list[str] = asyncio.run(sent()).json()
    return paths


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_kept_under_its_name_where_nobody_can_guess(receiver: Uploads, folder: Path):
    (first,), (again,) = send(receiver, b"meow"), send(receiver, b"meow")
    assert Path(first).read_bytes() == b"meow"
    assert Path(first).name == "cat.png"
    assert first != again
    assert {first, again} == set(map(str, files_in(folder))) == receiver._demo.upload_file_set


def test_an_address_keeps_its_newest_files_and_takes_nothing_from_others(receiver: Uploads, folder: Path):
    (other,) = send(receiver, bytes(900), "192.0.2.2")
    paths = [path for _ in range(10) for path in send(receiver, bytes(900))]
    kept = sorted(map(str, files_in(folder)))
    assert kept == sorted([other, *paths[-3:]])
    assert set(kept) == receiver._demo.upload_file_set, "gradio does not look for files that are gone"
    assert len(list(folder.iterdir())) == 4, "folders go with their files"


def test_many_addresses_together_are_bounded_and_who_has_most_loses_first(
    receiver: Uploads, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(uploads, "SHARES", 2)
    small = [send(receiver, bytes(500), f"192.0.2.{n}")[0] for n in range(2, 9)]
    large = [path for _ in range(4) for path in send(receiver, bytes(900))]
    assert sum(path.stat().st_size for path in files_in(folder)) <= 2 * 3000
    assert all(Path(path).is_file() for path in [*small, large[-1]])


@pytest.mark.parametrize(
    ("content", "name", "body", "status"),
    [
        (bytes(1001), "cat.png", b"", 413),
        (b"x", "..", b"", 400),
        (b"", "", b"--faults\r\nContent-Disposition: form-data\r\n\r\nx\r\n--faults--\r\n", 400),
        (b"", "", b'--faults\r\nContent-Disposition: form-data; name="files"\r\n\r\nx\r\n--faults--\r\n', 400),
        (b"", "", b"no parts", 400),
    ],
)
def test_an_upload_that_is_refused_leaves_nothing(receiver, folder, content, name, body, status):
    with pytest.raises(HTTPException) as refused:
        send(receiver, content, name=name, body=body)
    assert refused.value.status_code == status
    assert refused.value.detail.endswith(".")
    assert not list(folder.iterdir())


def test_files_in_other_fields_are_not_kept(receiver: Uploads, folder: Path):
    _, body = multipart("cat.png", b"meow")
    assert send(receiver, b"", body=body.replace(b'name="files"', b'name="others"')) == []
    assert not files_in(folder)


def test_an_upload_that_is_broken_off_leaves_nothing(receiver: Uploads, folder: Path):
    headers, body = multipart("cat.png", bytes(900))
    messages = [{"type": "http.request", "body": body[:500], "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def unanswered(message: dict[str, Any]) -> None:
        raise AssertionError(message)

    raw = [(key.lower().encode(), value.encode()) for key, value in headers]
    scope = {"type": "http", "method": "POST", "path": "/gradio_api/upload", "headers": raw, "query_string": b""}
    with pytest.raises(Exception):  # noqa: B017, PT011  the server's, which nobody is there to read
        asyncio.run(receiver({**scope, "client": ("192.0.2.1", 1)}, receive, unanswered))
    assert not list(folder.iterdir())
