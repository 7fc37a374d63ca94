"""The edit alone, in one small safetensors file that carries its own record: to be kept, mailed, and opened again.

CCUP's file holds the factors ``left`` and ``right`` (embed_dim, rank) of ``P = I − strength · left @ rightᵀ``,
CLIPErase's the weights that differ, that of both stacked both, with a record of each part. Opening one trusts nothing
in it: safetensors runs no code, the header is read before any tensor, and names, shapes, types and numbers have to be
those of the model at hand.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from unlearn.encoders import OpenClipEncoder
from unlearn.erasers import baselines, ccup, cliperase, stacked
from unlearn.erasers.erasure import Erasure
from unlearn.errors import ErasureFileError
from unlearn.export.record import Record
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
        with safe_open(path, framework="pt") as file:
            record = Record.loads((file.metadata() or {}).get(METADATA, ""), source=name)
            require_base(record, encoder)
            kind: Any = stacked.Erasure if record.parts else KINDS.get(record.method)
            if kind is None:
                known = ", ".join((*KINDS, stacked.Erasure.method))
                raise ErasureFileError(f"The method “{record.method}” is not known; known: {known}.")
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118  not a mapping
            if any(part.get_dtype() != "F32" for part in slices.values()):
                raise ErasureFileError(f"{name} holds numbers of another type than float32.")
            kind.check_shapes({key: tuple(part.get_shape()) for key, part in slices.items()}, encoder)
            tensors = {key: file.get_tensor(key) for key in slices}
    except (OSError, SafetensorError) as error:
        raise ErasureFileError(f"{name} is not a safetensors file that can be read ({error}).") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise ErasureFileError(f"{name} holds numbers that are not finite.")
    try:
        return _restored(record, tensors), record
    except TypeError as error:
        raise ErasureFileError(f"{name} has settings that {record.method} does not know.") from error


def _restored(record: Record, tensors: Mapping[str, Tensor]) -> Erasure:
    """The erasure that ``record`` tells of."""
    if record.parts:
        both: Any = (_restored(part, own) for part, own in zip(record.parts, stacked.split(tensors), strict=True))
        return stacked.Erasure(*both)
    return KINDS[record.method].of_tensors(tensors, record.selection, record.parameters)


def require_base(record: Record, encoder: OpenClipEncoder) -> None:
    """Nothing, if ``record`` is of an erasure of ``encoder``'s weights.

    Raises:
        ErasureFileError: it is of others.
    """
    if record.sha256.get("input") != encoder.sha256:
        raise ErasureFileError(
            f"This erasure was made for other weights of “{record.model}” than those of “{encoder.name}” loaded now."
        )
