"""Uploads: each address keeps its newest files, up to a number of megabytes.

Gradio's endpoint keeps every file for as long as its schedule says, and those of an upload that was broken off for
good. A file is read by the event that follows its upload, and hardly ever again.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
from gradio.route_utils import API_PREFIX, GradioMultiPartParser, GradioUploadFile
from gradio.routes import file_upload_statuses
from gradio.utils import get_upload_folder
from gradio_client.utils import strip_invalid_filename_characters
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from unlearn.ui.server.addresses import payer

#: Uploads of all addresses together, in shares of one address; beyond it, the address with the most loses its oldest.
SHARES = 16
#: Files and other fields in one upload.
MOST_FILES, MOST_FIELDS = 256, 16
#: Seconds for which the progress of an upload that has ended can be read.
FOLLOWED = 60.0
UNREADABLE = "The upload cannot be read; send files as multipart/form-data."


@dataclass(frozen=True)
class _Upload:
    """The files of one request, in a folder whose name cannot be guessed."""

    payer: str
    folder: Path
    size: int


class Uploads:
    """ASGI middleware that receives uploads in place of gradio.

    Args:
        app: the app.
        demo: the page that the files are for.
        per_file: largest size of a file in bytes.
        per_address: bytes kept of one address; the newest upload is kept in any case.
    """

    def __init__(self, app: ASGIApp, demo: gr.Blocks, per_file: int, per_address: int) -> None:
        self.app = app
        self._demo = demo
        self._per_file = per_file
        self._per_address = per_address
        self._kept: list[_Upload] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope.get("path", "")).removeprefix(scope.get("root_path", ""))
        if scope["type"] != "http" or scope["method"] != "POST" or path != f"{API_PREFIX}/upload":
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        folder = Path(tempfile.mkdtemp(prefix="upload-", dir=_root()))
        try:
            paths = await self._received(request, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        size = sum(path.stat().st_size for path in paths)
        self._keep(_Upload(payer(request.client.host if request.client else "unknown"), folder, size))
        self._demo.upload_file_set.update(map(str, paths))
        await JSONResponse([str(path) for path in paths])(scope, receive, send)

    async def _received(self, request: Request, folder: Path) -> list[Path]:
        """Return the files of ``request``, which are all that ``folder`` holds.

        Raises:
            HTTPException: the request cannot be read, or a file is too large.
        """
        upload_id = request.query_params.get("upload_id")
        if upload_id:
            file_upload_statuses.track(upload_id)
        parts = folder / "parts"
        parts.mkdir()
        parser = GradioMultiPartParser(
            request.headers,
            request.stream(),
            max_files=MOST_FILES,
            max_fields=MOST_FIELDS,
            upload_dir=parts,
            upload_id=upload_id,
            upload_progress=file_upload_statuses if upload_id else None,
            max_file_size=self._per_file,
        )
        try:
            form = await parser.parse()
            return [_placed(part, folder / str(number)) for number, part in enumerate(form.getlist("files"))]
        except MultiPartException as error:
            if "exceeded maximum allowed size" in error.message and "File size" in error.message:
                raise HTTPException(413, f"A file may have {self._per_file / 1e6:g} MB; one is larger.") from None
            raise HTTPException(400, UNREADABLE) from None
        except (AttributeError, TypeError, ValueError):  # a part without a name, or with one that is none
            raise HTTPException(400, UNREADABLE) from None
        finally:
            if upload_id:
                file_upload_statuses.set_done(upload_id)
                # The page follows its progress until then; nobody may ever have asked for it.
                asyncio.get_running_loop().call_later(FOLLOWED, file_upload_statuses.stop_tracking, upload_id)
            for file in parser._files_to_close_on_error:
                file.close()
            shutil.rmtree(parts, ignore_errors=True)

    def _keep(self, new: _Upload) -> None:
        """Keep ``new``, and remove others where an address, or all together, hold too much."""
        self._kept.append(new)
        while (taken := self._taken())[new.payer] > self._per_address and self._remove_oldest(new.payer, new):
            pass
        while taken.total() > SHARES * self._per_address and self._remove_oldest(taken.most_common(1)[0][0], new):
            taken = self._taken()

    def _taken(self) -> Counter[str]:
        taken: Counter[str] = Counter()
        for upload in self._kept:
            taken[upload.payer] += upload.size
        return taken

    def _remove_oldest(self, whose: str, new: _Upload) -> bool:
        oldest = next((upload for upload in self._kept if upload.payer == whose and upload is not new), None)
        if oldest is None:
            return False
        self._kept.remove(oldest)
        files = [str(path) for path in oldest.folder.rglob("*")]
        shutil.rmtree(oldest.folder, ignore_errors=True)
        for known in self._demo.temp_file_sets:  # gradio's lists of the files that it will remove
            known.difference_update(files)
        return True


def _root() -> Path:
    root = Path(get_upload_folder())
    root.mkdir(parents=True, exist_ok=True)
    return root


def _placed(part: object, folder: Path) -> Path:
    """Move an uploaded file into ``folder`` under the name that its sender gave it, and return its path."""
    if not isinstance(part, GradioUploadFile):
        raise TypeError("a field without a file")
    name = strip_invalid_filename_characters(Path(part.filename or "").name) or "file"
    if name in {".", ".."}:
        raise ValueError("a name that is none")
    folder.mkdir()
    part.file.close()
    return Path(part.file.name).rename(folder / name)
