"""Folders of an index damaged on purpose, opened and searched in a process of their own."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from unlearn.bench.faults.tally import Tally
from unlearn.bench.faults.target import PRIVATE
from unlearn.bench.faults.wire import Result
from unlearn.bench.serving import ROOT
from unlearn.clip.encoders import similarity
from unlearn.errors import UnlearnError
from unlearn.index.codes import CODES, write_codes
from unlearn.index.search import PictureIndex, Query
from unlearn.index.store import EMBEDDINGS, HEADER, PICTURES, Appender, Header, Store

ROWS, DIMENSION = 3_000, 64
#: Seconds and bytes that opening and searching one may take.
SECONDS, MEMORY = 60, 6_000_000_000
Mutator = Callable[[Path, random.Random], None]


def attack(tally: Tally, n: int) -> None:
    """Open ``n`` damaged folders: each is refused in a sentence, or its pictures are found in order."""
    with tempfile.TemporaryDirectory(prefix="faults-") as work:
        sound = _sound(Path(work) / "sound")
        asked = list(_damaged(sound, Path(work), n))
        while asked:
            command = [sys.executable, "-m", "unlearn.bench.faults.indexes", *map(str, asked)]
            ended = subprocess.run(  # noqa: S603  our own module
                command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS * len(asked), check=False
            )
            lines = [json.loads(line) for line in ended.stdout.splitlines()]
            for folder, line in zip(asked, lines, strict=False):
                wrong = line["value"] if line["state"] == "wrong" else ""
                tally.result(
                    folder.name,
                    Result("complete" if wrong else line["state"], line["value"], line["status"]),
                    wrong=wrong,
                )
            if len(lines) < len(asked):  # it took the process along
                tally.fault(f"{asked[len(lines)].name} ended the process with exit code {ended.returncode}")
                lines.append(None)
            asked = asked[len(lines) :]


def open_and_search(folder: Path) -> dict[str, object]:
    """What comes of one folder: state, value and status of a :class:`Result`."""
    try:
        index = PictureIndex.open(folder)
        header = index.store.header
        rows = index.store.embeddings
        text = F.normalize(torch.ones(header.embed_dim), dim=0)
        hits = index.search(Query(text), k=5)
        files = [str(index.store.picture(hit.index)) for hit in hits]
    except UnlearnError as error:
        return {"state": "error", "value": str(error), "status": 200}
    except Exception as error:
        return {"state": "error", "value": f"{type(error).__name__}: {error}", "status": 500}
    scores = [hit.score for hit in hits]
    finite = rows.isfinite().all(1)
    best = similarity(rows[finite], text[None]).max() if finite.any() else torch.tensor(0.0)
    if not np.isfinite(scores).all() or scores != sorted(scores, reverse=True):
        return {"state": "wrong", "value": f"scores {scores}", "status": 200}
    if hits and finite.any() and abs(scores[0] - float(best)) > 0.3 and abs(float(best)) <= 1:
        return {"state": "wrong", "value": f"best {scores[0]}, but a row has {float(best)}", "status": 200}
    if any(".." in Path(file).parts for file in files):
        return {"state": "wrong", "value": f"files outside of the folder: {files}", "status": 200}
    return {"state": "complete", "value": f"{len(hits)} hits", "status": 200}


def _sound(folder: Path, n: int = ROWS, dimension: int = DIMENSION) -> Path:
    generator = torch.Generator().manual_seed(0)
    store = Store.create(folder, Header(model="synthetic", sha256="0" * 64, embed_dim=dimension, pictures="pictures"))
    with Appender(store) as appender:
        rows = F.normalize(torch.randn(n, dimension, generator=generator), dim=1)
        appender.add(rows, [f"{number}.png" for number in range(n)], {"torn.png": PRIVATE})
    write_codes(Store.open(folder), exact_up_to=100)
    return folder


def _damaged(sound: Path, work: Path, n: int, seed: int = 0) -> Iterator[Path]:
    chance = random.Random(seed)  # noqa: S311  not a secret
    for number in range(n):
        mutate = MUTATORS[number % len(MUTATORS)]
        folder = work / f"{number}-{mutate.__name__}"
        shutil.copytree(sound, folder)
        mutate(folder, chance)
        yield folder


def header_value(folder: Path, chance: random.Random) -> None:
    """A field of the header is of another kind, out of range, or missing."""
    header = json.loads((folder / HEADER).read_text())
    key = chance.choice((*header, "embed_dim", "unknown"))
    values: tuple[object, ...] = (
        0,
        -1,
        1,
        63,
        10**9,
        2**63,
        10**30,
        1.5,
        "64",
        None,
        [],
        {},
        True,
        "\ud800",
        "\0",
        "../..",
        float("inf"),
        "a" * 10_000,
    )
    header[key] = chance.choice(values)
    if chance.random() < 0.15:
        header.pop(key)
    (folder / HEADER).write_text(json.dumps(header))


def header_text(folder: Path, chance: random.Random) -> None:
    texts = (b"", b"[]", b"null", b"[" * 5000, b'{"a":' * 5000, b"\xff\xfe", b"{" * 10, b"5", b'"x"', b"\0" * 100)
    (folder / HEADER).write_bytes(chance.choice(texts))


def log_lines(folder: Path, chance: random.Random) -> None:
    """Some lines say something else."""
    lines = (folder / PICTURES).read_text().splitlines()
    said = (
        "{}", "[]", "null", "5", '{"path": 5}', '{"path": null}', '{"path": "/etc/passwd"}', '{"path": "../../x"}',
        "{", '{"path": "\\ud800"}', '{"path": "\\u0000"}', '{"path": {"a": 1}, "error": "x"}',
        '{"path": "x", "error": 5}', "", "[" * 5000, '{"path": "' + "a" * 10_000 + '"}', '{"path": []}',
        '{"error": "x"}', '{"path": [1], "error": []}',
    )  # fmt: skip
    for _ in range(chance.randrange(1, 5)):
        lines[chance.randrange(len(lines))] = chance.choice(said)
    (folder / PICTURES).write_text("\n".join(lines) + "\n", encoding="utf-8")


def log_length(folder: Path, chance: random.Random) -> None:
    data = (folder / PICTURES).read_bytes()
    cut = data[: chance.randrange(len(data))]
    (folder / PICTURES).write_bytes(
        chance.choice((cut, data * 2, b"", data.replace(b"\n", b"\r"), data[: len(data) // 2] + b"\xff" * 20))
    )


def rows_length(folder: Path, chance: random.Random) -> None:
    data = (folder / EMBEDDINGS).read_bytes()
    (folder / EMBEDDINGS).write_bytes(chance.choice((data[: chance.randrange(len(data))], b"", data * 2, data + b"x")))


def rows_numbers(folder: Path, chance: random.Random) -> None:
    """Some rows hold NaN, infinity, huge numbers or nothing."""
    rows = np.fromfile(folder / EMBEDDINGS, np.float32).reshape(-1, DIMENSION)
    number = chance.choice((np.nan, np.inf, -np.inf, 3e38, -3e38, 1e20, 0.0))
    for _ in range(chance.randrange(1, 200)):
        rows[chance.randrange(len(rows)), : chance.choice((1, DIMENSION))] = number
    rows.tofile(folder / EMBEDDINGS)


def codes_bytes(folder: Path, chance: random.Random) -> None:
    data = bytearray((folder / CODES).read_bytes())
    for _ in range(chance.randrange(1, 40)):
        data[chance.randrange(min(len(data), chance.choice((200, len(data)))))] = chance.randrange(256)
    (folder / CODES).write_bytes(chance.choice((bytes(data), bytes(data[: chance.randrange(len(data))]), b"")))


def codes_of_another(folder: Path, chance: random.Random) -> None:
    """Codes of an index of another dimension, or of fewer rows."""
    with tempfile.TemporaryDirectory() as work:
        rows, dimension = chance.choice(((ROWS, 8), (ROWS, 32), (ROWS, 128), (ROWS - 1, DIMENSION), (1000, DIMENSION)))
        shutil.copy(_sound(Path(work) / "other", rows, dimension) / CODES, folder / CODES)


def codes_of_a_library(folder: Path, chance: random.Random) -> None:
    """A file of FAISS's own, whose numbers of rows are none of this index."""
    import faiss

    other = faiss.IndexIDMap(faiss.IndexFlatIP(DIMENSION))
    numbers = np.arange(ROWS, dtype=np.int64) + chance.choice((-5, 10**12))
    other.add_with_ids(np.ones((ROWS, DIMENSION), np.float32), numbers)
    faiss.write_index(other, str(folder / CODES))


def other_kinds(folder: Path, chance: random.Random) -> None:
    """A file is a folder, is gone, or is a link to nothing."""
    path = folder / chance.choice((HEADER, EMBEDDINGS, PICTURES, CODES))
    path.unlink()
    chance.choice(
        (path.mkdir, lambda: None, lambda: path.symlink_to("nowhere"), lambda: path.symlink_to("/dev/null"))
    )()


MUTATORS: tuple[Mutator, ...] = (
    header_value, header_text, log_lines, log_length, rows_length, rows_numbers, codes_bytes, codes_of_another,
    codes_of_a_library, header_value, log_lines, other_kinds,
)  # fmt: skip


def main(*folders: str) -> None:
    """Print a line of JSON for each folder."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for folder in folders:
        print(json.dumps(open_and_search(Path(folder))), flush=True)  # noqa: T201  its parent reads it


if __name__ == "__main__":
    main(*sys.argv[1:])
