"""The edit as one small safetensors file with its own record, to be stored, shared, and loaded again.

A CCUP file contains the factors ``left`` and ``right`` (embed_dim, rank) of ``P = I − strength · left @ rightᵀ``, a
CLIPErase file the weights that differ, and a file of both stacked all of these, with a record of each part. Files are
not trusted: they are read with :mod:`unlearn.files.schemas`, and names, shapes, types and values must fit the loaded
model.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.projection import Projection
from unlearn.erasers.erasure import AnyErasure, Erasure, Stacked, split
from unlearn.erasers.settings import BaselineSettings, CCUPSettings, CLIPEraseSettings
from unlearn.errors import ErasureFileError, ModelError
from unlearn.export.record import Record
from unlearn.files.schemas import RefusedError, TensorFile, check
from unlearn.finetuning.sources import BUNDLED

#: Key of the record in the file's metadata.
METADATA = "unlearn"
PACKAGES = ("torch", "open_clip_torch", "numpy", "safetensors")
#: Classes of a file's settings by the ``method`` of its record; each part of :class:`Stacked` has its own.
SETTINGS: dict[str, type[Any]] = {"ccup": CCUPSettings, "cliperase": CLIPEraseSettings, "baseline": BaselineSettings}
#: Maximum norm of a factor of a loaded edit. Factors made by this package have norms below a thousand.
MOST_NORM = 1e6
Value = TypeVar("Value")
Shapes = Mapping[str, tuple[int, ...]]


def record_of(
    encoder: OpenClipEncoder,
    erasure: AnyErasure,
    *,
    metrics: Mapping[str, Any],
    seed: int = 0,
    vocabulary: str = BUNDLED,
    images: str = BUNDLED,
) -> Record:
    """Create the record of ``erasure``, made of ``encoder`` with the installed packages; see :class:`Record`."""
    parts = [record_of(encoder, part, metrics={}, vocabulary=vocabulary, images=images) for part in erasure.parts]
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
        images=images,
        parts=tuple(parts),
    )


def save_edit(path: Path, erasure: AnyErasure, record: Record) -> None:
    """Write ``erasure`` to ``path`` with its ``record`` in the metadata."""
    tensors = {key: tensor.contiguous() for key, tensor in erasure.tensors.items()}
    save_file(tensors, path, metadata={METADATA: record.dumps()})


def load_edit(path: Path, encoder: OpenClipEncoder) -> tuple[AnyErasure, Record]:
    """Load an edit for ``encoder`` that :func:`save_edit` wrote.

    Raises:
        ErasureFileError: the file is damaged, of another kind, or belongs to another model.
        ParameterError: its settings are outside the allowed range.
    """
    name = f"“{path.name}”"
    try:
        file = TensorFile.open(path)
        record = Record.loads(file.metadata.get(METADATA, ""), source=name)
        require_base(record, encoder)
        for part, shapes in _parts(record, file.shapes):
            _check_shapes(part, shapes, encoder)
        restored = [_restored(part, tensors) for part, tensors in _parts(record, file.load())]
    except RefusedError as error:
        raise ErasureFileError(f"{name} cannot be used: {error}.") from error
    erasure = Stacked(*restored) if record.parts else restored[0]
    if erasure.tuned:  # a projection has bounded factors and needs no such check
        _require_embeddings(erasure.tuned.at(1.0).fine_tuned(encoder), name)  # where the slider can move it
    return erasure, record


def _parts(record: Record, named: Mapping[str, Value]) -> list[tuple[Record, Mapping[str, Value]]]:
    """Return each part's record with its share of :attr:`AnyErasure.tensors`."""
    return list(zip(record.parts, split(named), strict=True)) if record.parts else [(record, named)]


def _check_shapes(record: Record, shapes: Shapes, encoder: OpenClipEncoder) -> None:
    """Raise unless tensors of these ``shapes`` can be an erasure of ``encoder`` by the method of ``record``.

    Raises:
        ErasureFileError: the shapes do not fit, or the method is unknown.
    """
    if record.method not in SETTINGS:
        known = ", ".join((*SETTINGS, Stacked.method))
        raise ErasureFileError(f"The method “{record.method[:40]}” is not known; known: {known}.")
    if record.method == "cliperase":
        own = {key: tuple(tensor.shape) for key, tensor in encoder.model.state_dict().items()}
        if not shapes or any(own.get(key) != shape for key, shape in shapes.items()):
            raise ErasureFileError(f"The file holds weights that “{encoder.name}” does not have, or of other shapes.")
        return
    d, left = encoder.embed_dim, shapes.get("left", ())
    if set(shapes) != {"left", "right"} or left != shapes["right"] or len(left) != 2:
        raise ErasureFileError("A CCUP erasure is two matrices of one shape, “left” and “right”; this file is not.")
    if left[0] != d or left[1] > 16 * d:  # the paired form has one column per concept
        raise ErasureFileError(f"The factors are {left[0]} × {left[1]}; “{encoder.name}” embeds in {d} dimensions.")


def _restored(record: Record, tensors: Mapping[str, Tensor]) -> Erasure[Any]:
    """Restore an erasure from its :attr:`Erasure.tensors`; its method is one of :data:`SETTINGS`.

    Raises:
        RefusedError, ParameterError: its settings are not allowed, or the factors are too large.
    """
    settings = check(SETTINGS[record.method], record.parameters)
    if record.method == "cliperase":
        return Erasure(record.method, record.selection, settings, delta=dict(tensors))
    # Below this norm, neither the product of the factors with a unit-norm embedding nor its square can overflow.
    if not all(tensor.double().norm() < MOST_NORM for tensor in tensors.values()):
        raise RefusedError("it holds factors so large that embeddings overflow")
    projection = Projection(tensors["left"], tensors["right"], settings.strength)
    return Erasure(record.method, record.selection, settings, projection=projection)


def _require_embeddings(tuned: OpenClipEncoder, name: str) -> None:
    """Raise unless ``tuned`` gives unit-norm embeddings for an image and for a text.

    Overflow leads to NaN, or to zeros if the norm itself overflows.

    Raises:
        ErasureFileError: an embedding is not of unit norm.
    """
    refusal = f"{name} holds weights so large that the model's embeddings overflow."
    try:
        rows = torch.cat([tuned.encode_image([Image.new("RGB", (64, 64), "teal")]), tuned.encode_text(["a photo"])])
    except ModelError as error:
        raise ErasureFileError(refusal) from error
    if not ((rows.norm(dim=1) - 1).abs() < 0.01).all() or not math.isfinite(tuned.logit_scale):
        raise ErasureFileError(refusal)


def require_base(record: Record, encoder: OpenClipEncoder) -> None:
    """Raise unless ``record`` belongs to an erasure of ``encoder``'s weights.

    Raises:
        ErasureFileError: it belongs to other weights.
    """
    if record.sha256.get("input") != encoder.sha256:
        raise ErasureFileError(
            f"This erasure was made for other weights of “{record.model}” than those of “{encoder.name}” loaded now."
        )
