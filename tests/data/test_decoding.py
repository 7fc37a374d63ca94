"""Decoding apart from the app: what a file does to its decoder stays there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from unlearn.data import decoding
from unlearn.data.images import open_image
from unlearn.errors import BusyError, ImageError

ROOT = Path(__file__).parents[2]
#: A decoder whose pictures are read by what a test puts in.
SERVING = (
    "from unlearn.data import decoding\ndef read(path, longest):\n    {}\ndecoding.open_image = read\ndecoding.serve()"
)


def decode(paths: Sequence[str], longest: int) -> list[Image.Image]:
    return [decoding.decode(path, longest) for path in paths]


linux = pytest.mark.skipif(not decoding.FORKS, reason="a process for every picture has nothing that is kept")


@pytest.fixture
def paths(tmp_path) -> list[str]:
    """Four pictures of different kinds and sizes."""
    noise = np.random.default_rng(0).integers(0, 255, (3, 40, 60, 3), dtype=np.uint8)
    for pixels, name in zip(noise, ("a.png", "b.jpg", "c.tiff"), strict=True):
        Image.fromarray(pixels).save(tmp_path / name)
    Image.new("RGBA", (900, 300), (0, 200, 0, 128)).save(tmp_path / "d.webp", lossless=True)
    return [str(tmp_path / name) for name in ("a.png", "b.jpg", "c.tiff", "d.webp")]


@pytest.fixture
def decoder(monkeypatch) -> Iterator[decoding._Decoder]:
    """A decoder of the test's own."""
    own = decoding._Decoder()
    monkeypatch.setattr(decoding, "_decoder", own)
    yield own
    own.close()


def serving(monkeypatch, reading: str) -> None:
    """Let the decoder do ``reading``, Python, for every picture."""
    monkeypatch.setattr(decoding, "CHILD", (sys.executable, "-c", SERVING.format(reading)))


@pytest.mark.parametrize("forks", [pytest.param(True, marks=linux), False])
def test_pixels_are_those_of_decoding_in_place(paths, monkeypatch, forks):
    monkeypatch.setattr(decoding, "FORKS", forks)
    images = decode(paths, 512)
    for path, image in zip(paths, images, strict=True):
        assert image.tobytes() == open_image(path, longest=512).tobytes()
    assert images[3].size == (512, 171)


def test_a_path_is_read_from_where_the_app_is(paths, monkeypatch):
    monkeypatch.chdir(Path(paths[0]).parent)
    assert decode(["a.png"], 512)[0].size == (60, 40)


@pytest.mark.parametrize("forks", [pytest.param(True, marks=linux), False])
def test_the_sentence_of_a_file_that_is_no_image_comes_through(paths, tmp_path, monkeypatch, forks):
    monkeypatch.setattr(decoding, "FORKS", forks)
    (tmp_path / "no.png").write_text("nothing")
    with pytest.raises(ImageError, match="“no.png” is not a picture"):
        decode([*paths, str(tmp_path / "no.png")], 512)


@linux
@pytest.mark.parametrize(
    "reading",
    [
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "import os; os.abort()",
        "import os; os._exit(0)",
        "1 / 0",
        "held = bytearray(900_000_000)",
        "from tempfile import TemporaryFile as new; new().write(bytes(1_000_000))",
    ],
    ids=["segfault", "abort", "silence", "error", "memory", "disk"],
)
def test_a_fork_that_dies_is_reported_and_the_next_image_is_read(decoder, paths, monkeypatch, capfd, reading):
    serving(
        monkeypatch, f"if path.endswith('c.tiff'):\n        {reading}\n    return open_image(path, longest=longest)"
    )
    monkeypatch.setattr(
        decoding, "CHILD", (*decoding.CHILD[:2], f"from unlearn.data.images import open_image\n{decoding.CHILD[2]}")
    )
    before = decoder.start()
    with pytest.raises(ImageError, match="“c.tiff” could not be decoded. Use PNG"):
        decode(paths, 512)
    assert len(decode(paths[:2], 512)) == 2
    assert decoder.start() is before, "the process itself went on"
    assert capfd.readouterr().err == ""


@linux
def test_a_decoder_that_hangs_is_stopped(decoder, paths, monkeypatch):
    serving(monkeypatch, "while True: pass")
    monkeypatch.setattr(decoding, "SECONDS", 0.5)
    with pytest.raises(ImageError, match="took more than"):
        decode(paths, 512)


@linux
def test_a_fork_that_waits_for_ever_is_ended_by_itself(monkeypatch, decoder):
    serving(monkeypatch, "import time; time.sleep(600)")
    child = decoding.CHILD[2].replace("def read", "decoding.SECONDS = 0.3\ndef read")
    monkeypatch.setattr(decoding, "CHILD", (sys.executable, "-c", child))
    with pytest.raises(ImageError, match="could not be decoded"):
        decode(["a.png"], 512)
    assert psutil.Process(decoder._process.pid).children() == []


@linux
def test_a_decoder_that_was_killed_is_replaced(decoder, paths):
    decode(paths, 512)
    first = decoder._process
    os.kill(first.pid, signal.SIGKILL)
    assert len(decode(paths, 512)) == 4
    assert decoder._process.pid != first.pid


@linux
def test_a_decoder_that_cannot_start_is_reported(decoder, paths, monkeypatch):
    monkeypatch.setattr(decoding, "CHILD", (sys.executable, "-c", "pass"))
    with pytest.raises(ImageError, match="could not be decoded"):
        decode(paths, 512)
    monkeypatch.setattr(decoding, "CHILD", ("/nowhere/python",))
    with pytest.raises(BusyError, match="try again"):
        decode(paths, 512)


@linux
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_app_is_ended(number):
    hanging = SERVING.format("import time; time.sleep(600)")
    app = (
        "import sys, threading, time\nfrom unlearn.data import decoding\n"
        f"decoding.CHILD = (sys.executable, '-c', {hanging!r})\n"
        "threading.Thread(target=decoding.decode, args=('a.png', 512), daemon=True).start()\n"
        "time.sleep(1)\nprint(flush=True)\ntime.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", app], cwd=ROOT, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) == 2, "the decoder and its fork"
        process.send_signal(number)
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []


@linux
def test_no_more_are_decoded_at_once_than_allowed_and_others_wait_for_their_turn(decoder, paths, monkeypatch):
    serving(monkeypatch, "import time; time.sleep(0.3); from PIL import Image; return Image.new('RGB', (2, 2))")
    decoder.start()
    most, done = 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, len(psutil.Process(decoder._process.pid).children()))
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with ThreadPoolExecutor(9) as pool:
        images = list(pool.map(lambda _: decode(paths[:1], 512)[0].size, range(9)))
    done.set()
    watcher.join()
    assert images == [(2, 2)] * 9
    assert decoding.AT_ONCE <= most <= decoding.AT_ONCE + 1, "one may be ending that has answered"
    monkeypatch.setattr(decoding, "PATIENCE", 0.05)
    with ThreadPoolExecutor(9) as pool:
        asked = [pool.submit(decode, paths[:1], 512) for _ in range(9)]
    refused = [error for call in asked if (error := call.exception())]
    assert 0 < len(refused) < 9
    assert all(isinstance(error, BusyError) and "try again" in str(error) for error in refused)


def test_a_decoder_imports_nothing_heavy():
    code = "import sys, unlearn.data.decoding; print(*{'torch', 'numpy', 'gradio', 'open_clip'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []


@linux
def test_a_image_of_forty_megapixels_takes_less_than_the_bound(decoder, tmp_path):
    path = tmp_path / "large.png"
    Image.new("RGBA", (8000, 5000), (200, 0, 0, 255)).save(path, compress_level=1)
    assert decode([str(path)], 512)[0].getpixel((0, 0)) == (200, 0, 0)
    assert decoding.MEMORY < 1_000_000_000
