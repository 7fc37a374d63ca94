"""Quantised codes of an index, for a scan of all rows that reads a sixteenth of the bytes.

A product quantiser with 4 bits for every two dimensions (FAISS's ``IndexPQFastScan``) stores d/4 bytes per row and
scans all rows. Its best rows are only candidates, which :mod:`unlearn.index.search` scores exactly. Codes of half that
size, partitions (IVF), 8-bit scalars and RaBitQ were slower or had lower recall on the same rows.

The codes are stored as two plain tensors, because FAISS's own file reader trusts the content of its files.
"""

from __future__ import annotations

from typing import Any

import faiss
import torch
from safetensors.torch import save_file

from unlearn.errors import ImageError
from unlearn.files.schemas import RefusedError, TensorFile
from unlearn.index.store import Store

CODES = "codes.safetensors"
#: Number of rows up to which an exact scan is as fast as the codes, which would also need another file. At 10,000 rows
#: both take 2 to 4 ms; at 100,000 the codes take a fifth to an eighth of the time (docs/measured.md).
EXACT_UP_TO = 20_000
TRAINING_ROWS = 50_000
CHUNK = 65_536


def write_codes(store: Store, *, exact_up_to: int = EXACT_UP_TO) -> None:
    """Quantise the rows of ``store`` if there are more than ``exact_up_to``."""
    if len(store) <= exact_up_to:
        return
    rows, codes = store.embeddings, _empty(store.header.embed_dim)
    # Training rows are spread evenly: neighbouring rows are images of one folder.
    codes.train(rows[:: max(1, len(rows) // TRAINING_ROWS)].numpy())
    for start in range(0, len(rows), CHUNK):
        codes.add(rows[start : start + CHUNK].numpy())
    tensors = {
        "centroids": torch.from_numpy(faiss.vector_to_array(codes.pq.centroids)),
        "codes": torch.from_numpy(faiss.AlignedTable_to_array(codes.codes)),
    }
    save_file(tensors, store.folder / CODES, {"rows": str(len(rows))})


def read_codes(store: Store) -> Any | None:
    """Read the codes of ``store``; return None if there are none, or if they do not cover all rows.

    Raises:
        ImageError: the file is damaged, or its embeddings have another width.
    """
    path = store.folder / CODES
    if not path.is_file():
        return None
    try:
        file = TensorFile.open(path, allowed=("F32", "U8"))
        if file.metadata.get("rows") != str(len(store)):
            return None
        codes = _empty(store.header.embed_dim)
        rows = -(-len(store) // codes.bbs) * codes.bbs  # padded to whole blocks
        shapes = {"centroids": (codes.pq.centroids.size(),), "codes": (rows * codes.M2 // 2,)}
        if (file.shapes, file.types) != (shapes, {"centroids": "F32", "codes": "U8"}):
            raise RefusedError("they are of other embeddings")
        tensors = file.load()
    except RefusedError as error:
        raise ImageError(
            f"“{path}” is damaged; delete it, and python -m unlearn index makes it again ({error})."
        ) from error
    faiss.copy_array_to_vector(tensors["centroids"].numpy(), codes.pq.centroids)
    faiss.copy_array_to_AlignedTable(tensors["codes"].numpy(), codes.codes)
    codes.ntotal, codes.ntotal2, codes.is_trained = len(store), rows, True
    return codes


def _empty(dim: int) -> Any:
    return faiss.IndexPQFastScan(dim, dim // 2, 4, faiss.METRIC_INNER_PRODUCT)
