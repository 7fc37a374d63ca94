"""Quantised codes of an index: a look at every row that reads a sixteenth of the bytes.

A product quantiser with 4 bits for every two dimensions (FAISS's ``IndexPQFastScan``) keeps d/4 bytes a row and scans
all of them. The rows that it puts first are only candidates: :mod:`unlearn.index.search` scores them exactly. Half as
many bits, partitions (IVF), 8-bit scalars and RaBitQ were tried on the same rows: each was slower or found less.

On disk the codes are two plain tensors: FAISS reads its own files with code that trusts what they say.
"""

from __future__ import annotations

from typing import Any

import torch
from safetensors.torch import save_file

from unlearn.errors import PictureError
from unlearn.files.schemas import RefusedError, TensorFile
from unlearn.index.store import Store

CODES = "codes.safetensors"
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

    rows, codes = store.embeddings, _empty(store.header.embed_dim)
    # Evenly from all over: neighbours on disk are images of one folder.
    codes.train(rows[:: max(1, len(rows) // TRAINING_ROWS)].numpy())
    for start in range(0, len(rows), CHUNK):
        codes.add(rows[start : start + CHUNK].numpy())
    tensors = {
        "centroids": torch.from_numpy(faiss.vector_to_array(codes.pq.centroids)),
        "codes": torch.from_numpy(faiss.AlignedTable_to_array(codes.codes)),
    }
    save_file(tensors, store.folder / CODES, {"rows": str(len(rows))})


def read_codes(store: Store) -> Any | None:
    """The codes of ``store``; None where there are none, or none of all its rows.

    Raises:
        PictureError: the file is damaged, or of embeddings of another width.
    """
    path = store.folder / CODES
    if not path.is_file():
        return None
    try:
        file = TensorFile.open(path, allowed=("F32", "U8"))
        if file.metadata.get("rows") != str(len(store)):
            return None
        codes = _empty(store.header.embed_dim)
        rows = -(-len(store) // codes.bbs) * codes.bbs  # in blocks
        shapes = {"centroids": (codes.pq.centroids.size(),), "codes": (rows * codes.M2 // 2,)}
        if (file.shapes, file.types) != (shapes, {"centroids": "F32", "codes": "U8"}):
            raise RefusedError("they are of other embeddings")
        tensors = file.load()
    except RefusedError as error:
        raise PictureError(
            f"“{path}” is damaged; delete it, and python -m unlearn index makes it again ({error})."
        ) from error
    import faiss

    faiss.copy_array_to_vector(tensors["centroids"].numpy(), codes.pq.centroids)
    faiss.copy_array_to_AlignedTable(tensors["codes"].numpy(), codes.codes)
    codes.ntotal, codes.ntotal2, codes.is_trained = len(store), rows, True
    return codes


def _empty(dim: int) -> Any:
    import faiss

    return faiss.IndexPQFastScan(dim, dim // 2, 4, faiss.METRIC_INNER_PRODUCT)
