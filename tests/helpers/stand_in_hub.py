"""A hub on loopback that serves whatever repositories a test makes up."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: The commit that every repository is at, unless a request names another.
COMMIT = "0123456789abcdef0123456789abcdef01234567"
_FILE = re.compile(r"/((?:[\w.-]+/)?[\w.-]+)/resolve/([\w.-]+)/([\w./-]+)")


@contextmanager
def stand_in_hub(
    repositories: Mapping[str, Mapping[str, bytes]], sizes: Mapping[tuple[str, str], int] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Serve ``repositories``, {ORG/REPO: {file: content}}; yields the hub's address, and the paths asked for so far.

    ``sizes`` are lengths that the hub tells of files in place of their own.
    """
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            asked.append(self.path)
            found = _FILE.fullmatch(self.path.partition("?")[0])
            files = repositories.get(found[1]) if found else None
            if found is None or files is None or found[3] not in files:
                self.send_response(404)
                self.send_header("X-Error-Code", "RepoNotFound" if files is None else "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = files[found[3]]
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", found[2] if len(found[2]) == len(COMMIT) else COMMIT)
            self.send_header("Content-Length", str((sizes or {}).get((found[1], found[3]), len(content))))
            self.end_headers()
            if with_body:
                self.wfile.write(content)

        def log_message(self, *rest: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
