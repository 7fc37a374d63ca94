"""The edit alone, in one small safetensors file that carries its own record: to be kept, mailed, and opened again.

CCUP's file holds the factors ``left`` and ``right`` (embed_dim, rank) of ``P = I − strength · left @ rightᵀ``,
CLIPErase's the weights that differ, that of both stacked both, with a record of each part. Opening one trusts nothing
in it: it comes in through :mod:`unlearn.files.schemas`, and names, shapes, types and numbers have to be those of the
model at hand.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.erasers import baselines, ccup, cliperase, stacked
from unlearn.erasers.erasure import Erasure
from unlearn.errors import ErasureFileError, ModelError
from unlearn.export.record import Record
from unlearn.files.schemas import RefusedError, TensorFile
from unlearn.finetuning.sources import BUNDLED

#: Key of the record in the file's metadata.
METADATA = "unlearn"
PACKAGES = ("torch", "open_clip_torch", "numpy", "safetensors")
#: What a file may hold, by the ``method`` of its record; of :class:`stacked.Erasure` both parts, each with its own.
KINDS = {kind.method: kind for kind in (ccup.Erasure, cliperase.Erasure, baselines.Erasure)}


def record_of(
    encoder: OpenClipEncoder,
    erasure: Erasure,
    *,
    metrics: Mapping[str, Any],
    seed: int = 0,
    vocabulary: str = BUNDLED,
    pictures: str = BUNDLED,
) -> Record:
    """The record of ``erasure``, made of ``encoder`` with the packages installed here; see :class:`Record`."""
    parts = (erasure.tuned, erasure.closed_form) if erasure.tuned and erasure.closed_form else ()
    return Record(
        method=erasure.method,
        model=encoder.name,
        parameters=asdict(erasure.settings),
        selection=erasure.selection,
        metrics=metrics,
        seed=getattr(erasure.settings, "seed", seed),
        sha256={"input": encoder.sha256},
        versions={"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
        vocabulary=vocabulary,
        pictures=pictures,
        parts=tuple(record_of(encoder, part, metrics={}, vocabulary=vocabulary, pictures=pictures) for part in parts),
    )


def save_edit(path: Path, erasure: Erasure, record: Record) -> None:
    """Write ``erasure`` to ``path`` with its ``record`` in the metadata."""
    tensors = {key: tensor.contiguous() for key, tensor in erasure.tensors.items()}
    save_file(tensors, path, metadata={METADATA: record.dumps()})


def load_edit(path: Path, encoder: OpenClipEncoder) -> tuple[Erasure, Record]:
    """Read what :func:`save_edit` wrote for ``encoder``.

    Raises:
        ErasureFileError: the file is damaged, is of another kind, or belongs to another model.
        ParameterError: its settings are outside of what is allowed.
    """
    name = f"“{path.name}”"
    try:
        file = TensorFile.open(path)
        record = Record.loads(file.metadata.get(METADATA, ""), source=name)
        require_base(record, encoder)
        kind: Any = stacked.Erasure if record.parts else KINDS.get(record.method)
        if kind is None:
            known = ", ".join((*KINDS, stacked.Erasure.method))
            raise ErasureFileError(f"The method “{record.method[:40]}” is not known; known: {known}.")
        kind.check_shapes(file.shapes, encoder)
        erasure = _restored(record, file.load())
    except RefusedError as error:
        raise ErasureFileError(f"{name} cannot be used: {error}.") from error
    if erasure.tuned:  # the factors of a projection are bounded
        _require_embeddings(erasure.tuned.apply(encoder), name)
    return erasure, record


def _restored(record: Record, tensors: Mapping[str, Tensor]) -> Erasure:
    """The erasure that ``record`` tells of."""
    if record.parts:
        both: Any = (_restored(part, own) for part, own in zip(record.parts, stacked.split(tensors), strict=True))
        return stacked.Erasure(*both)
    return KINDS[record.method].of_tensors(tensors, record.selection, record.parameters)


def _require_embeddings(tuned: OpenClipEncoder, name: str) -> None:
    """Nothing, if ``tuned`` gives a picture and a text embeddings of unit length.

    What overflows ends as NaN, or as zeros where it is a norm that does.

    Raises:
        ErasureFileError: it does not.
    """
    refusal = f"{name} holds weights so large that the model's embeddings are no numbers any more."
    try:
        rows = torch.cat([tuned.encode_image([Image.new("RGB", (64, 64), "teal")]), tuned.encode_text(["a photo"])])
    except ModelError as error:
        raise ErasureFileError(refusal) from error
    if not ((rows.norm(dim=1) - 1).abs() < 0.01).all() or not math.isfinite(tuned.logit_scale):
        raise ErasureFileError(refusal)


def require_base(record: Record, encoder: OpenClipEncoder) -> None:
    """Nothing, if ``record`` is of an erasure of ``encoder``'s weights.

    Raises:
        ErasureFileError: it is of others.
    """
    if record.sha256.get("input") != encoder.sha256:
        raise ErasureFileError(
            f"This erasure was made for other weights of “{record.model}” than those of “{encoder.name}” loaded now."
        )
