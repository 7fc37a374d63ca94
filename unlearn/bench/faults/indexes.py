"""Index folders damaged on purpose, opened and searched in a separate process."""

from __future__ import annotations

import itertools
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from unlearn.bench.faults.tally import FaultTally
from unlearn.bench.faults.target import PRIVATE
from unlearn.bench.faults.wire import CallResult
from unlearn.bench.mutations import mutated_indexes
from unlearn.bench.serving import ROOT
from unlearn.clip.embeddings import similarity
from unlearn.errors import UnlearnError
from unlearn.index.codes import write_codes
from unlearn.index.search import ImageIndex, Query
from unlearn.index.store import Appender, Header, Store

ROWS, DIMENSION = 3_000, 64
#: Limits in seconds and bytes for opening and searching all of them.
SECONDS, MEMORY = 600, 6_000_000_000


def attack(tally: FaultTally, n: int) -> None:
    """Open ``n`` damaged folders: each is refused with a sentence, or its search results are correctly sorted."""
    with tempfile.TemporaryDirectory(prefix="faults-") as work:
        sound, done = _sound(Path(work) / "sound"), 0
        while done < n:
            lines, end = _opened(sound, done, n)
            for what, result, wrong in lines:
                tally.result(what, result, wrong=wrong)
            done += len(lines)
            if done < n:
                tally.fault(f"the folder after {lines[-1][0] if lines else 'none'} ended the process: {end}")
                done += 1


def _opened(sound: Path, first: int, n: int) -> tuple[list[tuple[str, CallResult, str]], str]:
    """Return the results of the damaged folders from ``first`` on, as far as one process came, and how it ended."""
    command = [sys.executable, "-m", "unlearn.bench.faults.indexes", str(sound), str(first), str(n)]
    try:
        ended = subprocess.run(  # noqa: S603  our own module
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS, check=False
        )
        output, end = ended.stdout, f"exit code {ended.returncode}"
    except subprocess.TimeoutExpired as error:
        output, end = error.stdout or b"", f"after {SECONDS} s"
    lines = [json.loads(line) for line in output.splitlines()]
    return [(line[0], CallResult(*line[1:4]), line[4]) for line in lines], end


def open_and_search(folder: Path) -> tuple[str, str, int, str]:
    """Return state, value and status of a :class:`CallResult`, and an error in it or ""."""
    try:
        index = ImageIndex.open(folder)
        rows = index.store.embeddings
        text = F.normalize(torch.ones(index.store.header.embed_dim), dim=0)
        hits = index.search(Query(text), k=5)
        files = [Path(index.store.image(hit.index)) for hit in hits]
    except UnlearnError as error:
        return "error", str(error), 200, ""
    except Exception as error:
        return "error", f"{type(error).__name__}: {error}", 500, ""
    return "complete", f"{len(hits)} hits", 200, _false([hit.score for hit in hits], files, rows, text)


def _false(scores: list[float], files: list[Path], rows: Tensor, text: Tensor) -> str:
    if not np.isfinite(scores).all() or scores != sorted(scores, reverse=True):
        return f"scores {scores}"
    if any(".." in file.parts for file in files):
        return f"files outside of the folder: {files}"
    # Rows of unit length, as in an index, without the damaged ones.
    whole = rows[(rows.norm(dim=1) - 1).abs() < 0.01]
    best = float(similarity(whole, text[None]).max()) if len(whole) else -1.0
    return f"best {scores[0]}, but a row has {best}" if scores and scores[0] < best - 0.05 else ""


def _sound(folder: Path) -> Path:
    generator = torch.Generator().manual_seed(0)
    store = Store.create(folder, Header(model="synthetic", sha256="0" * 64, embed_dim=DIMENSION, images="pictures"))
    with Appender(store) as appender:
        rows = F.normalize(torch.randn(ROWS, DIMENSION, generator=generator), dim=1)
        appender.add(rows, [f"{number}.png" for number in range(ROWS)], {"torn.png": PRIVATE})
    write_codes(Store.open(folder), exact_up_to=100)
    return folder


def main(sound: str, first: str, n: str) -> None:
    """Print a line of JSON for each damaged folder from ``first`` on."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory(prefix="faults-") as out:
        folders = mutated_indexes(Path(sound), Path(out), seed=0, count=int(n))
        for what, folder in itertools.islice(folders, int(first), None):
            print(json.dumps((what, *open_and_search(folder))), flush=True)  # noqa: T201  its parent reads it


if __name__ == "__main__":
    main(*sys.argv[1:])
