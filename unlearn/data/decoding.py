"""Decoding visitors' images in processes of their own: one that crashes, hangs or swells takes nothing along.

A process that has imported Pillow and nothing heavier (this module, run by itself) waits at a socket. For each image
it is sent a request and a pipe; it forks, and the fork, under limits, writes the answer into the pipe: a line of JSON,
then raw pixels. To start Python for each would take ten times as long, and the app itself, with torch's threads, must
not fork. The process ends with the app, however that ends; where it was killed, the next image starts another. On
systems other than Linux every image has a new process.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from PIL import Image

from unlearn.data.images import ALLOWED, MAX_PIXELS, open_image
from unlearn.errors import BusyError, PictureError

CHILD: Sequence[str] = (sys.executable, "-m", "unlearn.data.decoding")
FORKS = sys.platform == "linux"
#: Bounds of one image: address space, of which the largest take about 600 MB, and seconds of a processor and in all.
MEMORY, PROCESSOR_SECONDS, SECONDS = 768_000_000, 10, 30
#: Images that are decoded at once in the whole app, and seconds that others wait for their turn.
AT_ONCE, PATIENCE = 3, 20.0
BUSY = "Too many pictures are being opened at the moment; try again in a minute."
LONGEST_REQUEST = 16_384
LONGEST_HEAD = 4_096

_places = threading.BoundedSemaphore(AT_ONCE)


def decode(path: str, longest: int) -> Image.Image:
    """The image at ``path`` as upright RGB, none of its sides longer than ``longest`` pixels.

    Raises:
        PictureError: it is no image, is damaged, or takes too much to decode.
        BusyError: too many are being decoded already.
    """
    if not _places.acquire(timeout=PATIENCE):
        raise BusyError(BUSY)
    try:
        request = json.dumps([str(Path(path).absolute()), longest]).encode()
        if len(request) > LONGEST_REQUEST:
            raise PictureError(f"“{Path(path).name[:80]}…” has too long a name. {ALLOWED}.")
        try:
            answer = _decoder.ask(request) if FORKS else _ask_once(request)
        except TimeoutError as error:
            raise PictureError(f"Decoding took more than {SECONDS} seconds. {ALLOWED}.") from error
        except OSError as error:  # no process or no pipe is to be had
            raise BusyError(BUSY) from error
        return _picture(answer, Path(path).name)
    finally:
        _places.release()


def start() -> None:
    """Start the process that decodes, so that the first image need not wait for it."""
    if FORKS:
        _decoder.start()


def _picture(answer: bytes, name: str) -> Image.Image:
    """What a decoder wrote, as an image; anything else than a sentence or all pixels is an accident of its."""
    head, _, pixels = answer.partition(b"\n")
    try:
        reported = json.loads(head)
    except ValueError:
        reported = {}
    if "error" in reported:
        raise PictureError(reported["error"])
    width, height = reported.get("size", (0, 0))
    if not pixels or len(pixels) != 3 * width * height:
        raise PictureError(f"“{name}” could not be decoded. {ALLOWED}.")
    return Image.frombytes("RGB", (width, height), pixels)


class _Decoder:
    """The app's side: the process, started when it is first needed and again when it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def start(self) -> socket.socket:
        """The socket of a living process."""
        with self._lock:
            if self._socket is None or self._process is None or self._process.poll() is not None:
                self._end()
                self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                with theirs:
                    # A group of its own, so that it can end with all that it forked, and Ctrl-C is the app's alone.
                    self._process = subprocess.Popen(  # noqa: S603  our own module
                        CHILD, cwd=_root(), stdin=theirs.fileno(), stdout=subprocess.DEVNULL, start_new_session=True
                    )
            return self._socket

    def ask(self, request: bytes) -> bytes:
        """What a fork answers, as far as it came.

        Raises:
            TimeoutError: it took more than ``SECONDS``.
        """
        answer = b""
        for _ in range(2):  # of a process that was killed another takes the place
            process = self.start()
            reading, writing = os.pipe()
            try:
                with contextlib.suppress(OSError):  # it has just ended: then nothing comes through the pipe
                    socket.send_fds(process, [request], [writing])
            finally:
                os.close(writing)
            with os.fdopen(reading, "rb", buffering=0) as pipe:
                answer = _read_all(pipe, time.monotonic() + SECONDS)
            if answer or self._is_alive():
                break
        return answer

    def _is_alive(self) -> bool:
        with self._lock, contextlib.suppress(subprocess.TimeoutExpired):
            # It may be just about to end: whether it does decides if its silence was the image's fault.
            return self._process is not None and self._process.wait(timeout=0.05) is None
        return True

    def close(self) -> None:
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._socket = self._process = None


_decoder = _Decoder()
atexit.register(_decoder.close)


def _root() -> Path:
    return Path(__file__).resolve().parents[2]


def _read_all(pipe: IO[bytes], until: float) -> bytes:
    """All that comes through ``pipe``, up to its end or to what the largest answer has."""
    parts, length = [], 0
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while length <= LONGEST_HEAD + 3 * MAX_PIXELS:
            if not selector.select(max(0.0, until - time.monotonic())):
                raise TimeoutError
            part = pipe.read(1 << 20)
            if not part:
                break
            parts.append(part)
            length += len(part)
    return b"".join(parts)


def _ask_once(request: bytes) -> bytes:
    """The answer of a process that decodes this image alone."""
    try:
        return subprocess.run(  # noqa: S603  our own module
            [*CHILD, request.decode()], cwd=_root(), capture_output=True, timeout=SECONDS, check=False
        ).stdout
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error


def limit() -> None:
    """No more memory, time, or files written than decoding needs; Windows knows no such limits."""
    if sys.platform == "win32":
        return
    import resource

    seconds = min(PROCESSOR_SECONDS, SECONDS)
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):  # macOS knows some of them only
            resource.setrlimit(what, (most, most))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)  # whatever it waits for: the signal ends it


def answer(request: bytes, out: IO[bytes]) -> None:
    """Write the image that ``request`` asks for, or the sentence that says why there is none."""
    limit()
    path, longest = json.loads(request)
    try:
        image = open_image(path, longest=longest)
    except PictureError as error:
        out.write(json.dumps({"error": str(error)}).encode())
    else:
        out.write(json.dumps({"size": image.size}).encode() + b"\n")
        out.write(image.tobytes())
    out.flush()


def serve() -> None:
    """Fork for every request, until the app is gone; what is being decoded then ends too."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    Image.init()  # all formats, once for all forks
    gc.freeze()
    with socket.socket(fileno=0) as requests:
        while True:
            request, pipes, *_ = socket.recv_fds(requests, LONGEST_REQUEST, 1)
            if not pipes:
                break
            if os.fork() == 0:
                _answer_and_end(request, pipes[0])
            os.close(pipes[0])
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _answer_and_end(request: bytes, pipe: int) -> None:
    """In a fork: answer, and never return to the loop. Decoders' own messages would only reach the log."""
    try:
        os.dup2(os.open(os.devnull, os.O_RDWR), 2)
        os.close(0)
        with os.fdopen(pipe, "wb") as out:
            answer(request, out)
    finally:
        os._exit(0)


if __name__ == "__main__":
    if sys.argv[1:]:
        answer(sys.argv[1].encode(), sys.stdout.buffer)
    else:
        serve()
