"""Decoding of visitors' images in separate processes, so that a crash, a hang or high memory use stays contained.

A process that has imported nothing heavier than Pillow (this module, run as a script) waits at a socket. For each image
it receives a request and a pipe and forks; the fork, under resource limits, writes the answer into the pipe: a line of
JSON, then raw pixels. Starting Python for each image would take ten times as long, and the app itself must not fork
because of torch's threads. The process ends with the app, however the app ends; if the process was killed, the next
image starts another one. On systems other than Linux each image gets a new process.
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
from unlearn.errors import BusyError, ImageError

if sys.platform != "win32":
    import resource

CHILD: Sequence[str] = (sys.executable, "-m", "unlearn.data.decoding")
FORKS = sys.platform == "linux"
#: Limits per image: address space (the largest images take about 600 MB), and seconds of CPU time and of real time.
MEMORY, PROCESSOR_SECONDS, SECONDS = 768_000_000, 10, 30
#: Images that the whole app decodes at once, and the number of seconds that further ones wait for their turn.
AT_ONCE, PATIENCE = 3, 20.0
BUSY = "Too many pictures are being opened at the moment; try again in a minute."
#: The ``nice`` value added to that of the app: its other requests take precedence over a large image.
NICENESS = 5
LONGEST_REQUEST = 16_384
LONGEST_HEAD = 4_096

_places = threading.BoundedSemaphore(AT_ONCE)


def decode(path: str, longest: int) -> Image.Image:
    """Decode the image at ``path`` to upright RGB with sides of at most ``longest`` pixels.

    Raises:
        ImageError: the file is not an image, is damaged, or takes too much time or memory to decode.
        BusyError: too many images are being decoded already.
    """
    if not _places.acquire(timeout=PATIENCE):
        raise BusyError(BUSY)
    try:
        request = json.dumps([str(Path(path).absolute()), longest]).encode()
        if len(request) > LONGEST_REQUEST:
            raise ImageError(f"“{Path(path).name[:80]}…” has too long a name. {ALLOWED}.")
        try:
            answer = _decoder.ask(request) if FORKS else _ask_once(request)
        except TimeoutError as error:
            raise ImageError(f"Decoding took more than {SECONDS} seconds. {ALLOWED}.") from error
        except OSError as error:  # no more processes or pipes
            raise BusyError(BUSY) from error
        return _gallery_image(answer, Path(path).name)
    finally:
        _places.release()


def start() -> None:
    """Start the decoding process, so that the first image need not wait for it."""
    if FORKS:
        _decoder.start()


def _gallery_image(answer: bytes, name: str) -> Image.Image:
    """Turn a decoder's answer into an image; an answer that is neither a sentence nor all pixels is an error."""
    head, _, pixels = answer.partition(b"\n")
    try:
        reported = json.loads(head)
    except ValueError:
        reported = {}
    if "error" in reported:
        raise ImageError(reported["error"])
    width, height = reported.get("size", (0, 0))
    if not pixels or len(pixels) != 3 * width * height:
        raise ImageError(f"“{name}” could not be decoded. {ALLOWED}.")
    return Image.frombytes("RGB", (width, height), pixels)


class _Decoder:
    """The app's side: the decoding process, started on first use and again after it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def start(self) -> socket.socket:
        """Return the socket of a running process, which is started if needed."""
        with self._lock:
            if self._socket is None or self._process is None or self._process.poll() is not None:
                self._end()
                self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                with theirs:
                    # In its own process group, so that its forks can be ended with it, and Ctrl-C reaches only the app.
                    self._process = subprocess.Popen(  # noqa: S603  our own module
                        CHILD, cwd=_root(), stdin=theirs.fileno(), stdout=subprocess.DEVNULL, start_new_session=True
                    )
            return self._socket

    def ask(self, request: bytes) -> bytes:
        """Send ``request`` and return the fork's answer, which may be incomplete.

        Raises:
            TimeoutError: the answer took more than ``SECONDS``.
        """
        answer = b""
        for _ in range(2):  # a second try replaces a process that was killed
            process = self.start()
            reading, writing = os.pipe()
            try:
                with contextlib.suppress(OSError):  # the process has just ended: the pipe stays empty
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
            # The process may be about to end: an empty answer is the image's fault only if the process is still alive.
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
    """Read from ``pipe`` up to its end, or to the length of the largest possible answer."""
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
    """Return the answer of a new process that decodes only this image."""
    try:
        return subprocess.run(  # noqa: S603  our own module
            [*CHILD, request.decode()], cwd=_root(), capture_output=True, timeout=SECONDS, check=False
        ).stdout
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error


def limit() -> None:
    """Limit memory, CPU time and file size to the needs of decoding; Windows has no such limits."""
    if sys.platform == "win32":
        return
    seconds = min(PROCESSOR_SECONDS, SECONDS)
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):  # macOS supports some of them only
            resource.setrlimit(what, (most, most))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)  # limits the real time too: the signal ends the process


def answer(request: bytes, out: IO[bytes]) -> None:
    """Write the image that ``request`` asks for, or a sentence with the reason why it cannot be decoded."""
    limit()
    if sys.platform != "win32":
        os.nice(NICENESS)
    path, longest = json.loads(request)
    try:
        image = open_image(path, longest=longest)
    except ImageError as error:
        out.write(json.dumps({"error": str(error)}).encode())
    else:
        out.write(json.dumps({"size": image.size}).encode() + b"\n")
        out.write(image.tobytes())
    out.flush()


def serve() -> None:
    """Fork for every request until the app has ended; forks that are still decoding then end too."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks need not be waited for
    Image.init()  # load all formats once for all forks
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
    """Answer and exit, in a fork. Messages that decoders print are discarded, as they would only reach the log."""
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
