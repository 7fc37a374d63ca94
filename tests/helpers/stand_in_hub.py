"""A hub on loopback that serves whatever repositories a test makes up."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: The commit that every repository is at, unless a request names another.
COMMIT = "0123456789abcdef0123456789abcdef01234567"
_UPLOAD = re.compile(r"/api/models/([\w.-]+/[\w.-]+)/(preupload|commit)/main")
_FILE = re.compile(r"/((?:[\w.-]+/)?[\w.-]+)/resolve/([\w.-]+)/([\w./-]+)")


@contextmanager
def stand_in_hub(
    repositories: MutableMapping[str, dict[str, bytes]], sizes: MutableMapping[tuple[str, str], int] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Serve ``repositories``, {ORG/REPO: {file: content}}; yields the hub's address, and the paths asked for so far.

    What is pushed is added to them.
    ``sizes`` are lengths that the hub tells of files in place of their own.
    """
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def do_POST(self) -> None:
            asked.append(self.path)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/api/repos/create":
                name = "/".join(filter(None, (json.loads(body).get("organization"), json.loads(body)["name"])))
                repositories.setdefault(name, {})
                self._tell({"url": f"http://{self.headers['Host']}/{name}"})
            elif (found := _UPLOAD.fullmatch(self.path)) and found[2] == "preupload":
                files = json.loads(body)["files"]
                plain = {"uploadMode": "regular", "shouldIgnore": False}
                self._tell({"files": [{"path": file["path"]} | plain for file in files]})
            elif found:
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        content = base64.b64decode(line["value"]["content"])
                        repositories[found[1]][line["value"]["path"]] = content
                self._tell({"success": True, "commitOid": COMMIT, "commitUrl": f"/{found[1]}/commit/{COMMIT}"})
            else:
                self._tell({"errors": [], "warnings": []})

        def _tell(self, answer: Any) -> None:
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _answer(self, *, with_body: bool) -> None:
            asked.append(self.path)
            found = _FILE.fullmatch(self.path.partition("?")[0])
            files = repositories.get(found[1]) if found else None
            if found is None or files is None or found[3] not in files:
                known = files is not None or any(self.path.startswith(f"/api/models/{name}/") for name in repositories)
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound" if known else "RepoNotFound")
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
