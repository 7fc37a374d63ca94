"""Quantised codes of an index: a look at every row that reads a sixteenth of the bytes.

A product quantiser with 4 bits for every two dimensions (FAISS's ``IndexPQFastScan``) keeps d/4 bytes a row and scans
all of them. The rows that it puts first are only candidates: :mod:`unlearn.index.search` scores them exactly. Half as
many bits, partitions (IVF), 8-bit scalars and RaBitQ were tried on the same rows: each was slower or found less.
"""

from __future__ import annotations

from typing import Any

from unlearn.errors import PictureError
from unlearn.index.store import Store

CODES = "codes.faiss"
#: Up to so many rows, looking at all of them takes as long as the codes do, and they would be one file more: at 10,000
#: both take 2 to 4 ms, at 100,000 the codes a fifth to an eighth of the time (docs/measured.md).
EXACT_UP_TO = 20_000
TRAINING_ROWS = 50_000
CHUNK = 65_536


def write_codes(store: Store, *, exact_up_to: int = EXACT_UP_TO) -> None:
    """Quantise the rows of ``store``, where they are more than ``exact_up_to``."""
    if len(store) <= exact_up_to:
        return
    import faiss

    rows, dim = store.embeddings, store.header.embed_dim
    codes = faiss.IndexPQFastScan(dim, dim // 2, 4, faiss.METRIC_INNER_PRODUCT)
    # Evenly from all over: neighbours on disk are pictures of one folder.
    codes.train(rows[:: max(1, len(rows) // TRAINING_ROWS)].numpy())
    for start in range(0, len(rows), CHUNK):
        codes.add(rows[start : start + CHUNK].numpy())
    faiss.write_index(codes, str(store.folder / CODES))


def read_codes(store: Store) -> Any | None:
    """The codes of ``store``; None where there are none, or none of all its rows.

    Raises:
        PictureError: the file is damaged.
    """
    path = store.folder / CODES
    if not path.is_file():
        return None
    import faiss

    try:
        codes = faiss.read_index(str(path))
    except RuntimeError as error:
        raise PictureError(f"“{path}” is damaged; delete it, and python -m unlearn index makes it anew.") from error
    return codes if codes.ntotal == len(store) else None
