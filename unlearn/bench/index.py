"""Search time of an index by number of images, before and after an erasure, on synthetic embeddings."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from unlearn.bench.table import Table, machine, threads
from unlearn.clip.projection import Projection
from unlearn.erasers.closed_form import RetainFactor, fit
from unlearn.evaluation.retrieval import Hit
from unlearn.index.codes import CODES, write_codes
from unlearn.index.search import CANDIDATES, ImageIndex, Query
from unlearn.index.store import Appender, Header, Store

DIMENSION, CLASSES, FORGOTTEN, QUERIES, K = 512, 1_000, 6, 50, 10
SIZES, QUICK_SIZES = (10_000, 100_000, 1_000_000), (2_000, 5_000)
CHUNK = 50_000
SearchFunction = Callable[[Query, int], list[Hit]]


class Space:
    """Synthetic joint space like CLIP's: classes on a decaying spectrum; images and texts around separate means."""

    def __init__(self) -> None:
        self._generator = torch.Generator().manual_seed(0)
        self._means = F.normalize(torch.randn(2, DIMENSION, generator=self._generator), dim=1)
        self._classes = self._spread(CLASSES)

    def _spread(self, n: int) -> Tensor:
        spectrum = F.normalize(torch.arange(1, DIMENSION + 1).float() ** -0.5, dim=0)
        return torch.randn(n, DIMENSION, generator=self._generator) * spectrum

    def texts(self) -> Tensor:
        """Return a text embedding for each class, (classes, d)."""
        return F.normalize(1.2 * self._means[0] + self._classes + 0.3 * self._spread(CLASSES), dim=1)

    def images(self, n: int) -> Tensor:
        """Return image embeddings of classes drawn at random, (n, d)."""
        classes = self._classes[torch.randint(CLASSES, (n,), generator=self._generator)]
        return F.normalize(1.2 * self._means[1] + classes + 0.8 * self._spread(n), dim=1)


def run(quick: bool = False) -> Table:
    """Write indexes of growing size to a temporary folder (2 GB for the largest) and search them."""
    space = Space()
    texts = space.texts()
    retained = RetainFactor.fit(texts[FORGOTTEN:].T, 100.0)
    projection = fit(texts[:FORGOTTEN].T, retained)
    rows: list[tuple[str, ...]] = []
    for size in QUICK_SIZES if quick else SIZES:
        with tempfile.TemporaryDirectory() as folder:
            rows += _measure(_filled(Path(folder), space, size), texts[:QUERIES], projection)
    return Table(
        name="index",
        columns=("pictures", "search", "before, ms", "after an erasure, ms", "recall@10", "in memory"),
        rows=tuple(rows),
        note=f"Top {K} of synthetic embeddings, d = {DIMENSION}, {CLASSES:,} classes, seed 0; {QUERIES} texts, "
        f"{FORGOTTEN} of them erased; milliseconds: median (95th percentile); recall against scoring every row, "
        f"before / after; codes: {CANDIDATES:,} candidates. Embeddings in the page cache; {machine()}, "
        f"{threads()}.",
    )


def _filled(folder: Path, space: Space, size: int) -> Store:
    store = Store.create(folder, Header(model="synthetic", sha256="0" * 64, embed_dim=DIMENSION, images=str(folder)))
    with Appender(store) as appender:
        for start in range(0, size, CHUNK):
            names = [f"{i}.jpg" for i in range(start, min(start + CHUNK, size))]
            appender.add(space.images(len(names)), names)
    store = Store.open(folder)
    write_codes(store, exact_up_to=0)
    return store


def _measure(store: Store, texts: Tensor, projection: Projection) -> list[tuple[str, ...]]:
    index = ImageIndex.open(store.folder)
    queries = {
        "before": [Query(text) for text in texts],
        "after": [Query(text, projection) for text in texts],
    }
    rows = []
    exact = {when: _timed(index.search_all, asked) for when, asked in queries.items()}
    quick = {when: _timed(index.search, asked) for when, asked in queries.items()}
    codes = f"{(store.folder / CODES).stat().st_size / 2**20:.0f} MiB"
    for name, found, memory in (("every row", exact, "–"), ("codes, then exact", quick, codes)):
        recall = [_recall(found[when][0], exact[when][0]) for when in queries]
        rows.append(
            (
                f"{len(store):,}",
                name,
                *(_spread(found[when][1]) for when in queries),
                " / ".join(f"{part:.3f}" for part in recall),
                memory,
            )
        )
    return rows


def _timed(search: SearchFunction, queries: Sequence[Query]) -> tuple[list[set[int]], list[float]]:
    """Return the results of each query, and its time in milliseconds."""
    search(queries[0], K)  # loads the rows into memory
    found, times = [], []
    for query in queries:
        start = time.perf_counter()
        hits = search(query, K)
        times.append(1e3 * (time.perf_counter() - start))
        found.append({hit.index for hit in hits})
    return found, times


def _recall(found: Sequence[set[int]], exact: Sequence[set[int]]) -> float:
    return sum(len(a & b) for a, b in zip(found, exact, strict=True)) / (K * len(exact))


def _spread(times: Sequence[float]) -> str:
    middle, high = np.percentile(times, [50, 95])
    return f"{middle:.1f} ({high:.1f})"
