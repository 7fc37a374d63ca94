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
#: Settings that a file may hold, by the ``method`` of its record; of :class:`Stacked` each part has its own.
SETTINGS: dict[str, type[Any]] = {"ccup": CCUPSettings, "cliperase": CLIPEraseSettings, "baseline": BaselineSettings}
#: Largest norm of a factor of an edit that was read. Those that are made here have less than a thousand.
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
    pictures: str = BUNDLED,
) -> Record:
    """The record of ``erasure``, made of ``encoder`` with the packages installed here; see :class:`Record`."""
    parts = (erasure.tuned, erasure.closed_form) if isinstance(erasure, Stacked) else ()
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


def save_edit(path: Path, erasure: AnyErasure, record: Record) -> None:
    """Write ``erasure`` to ``path`` with its ``record`` in the metadata."""
    tensors = {key: tensor.contiguous() for key, tensor in erasure.tensors.items()}
    save_file(tensors, path, metadata={METADATA: record.dumps()})


def load_edit(path: Path, encoder: OpenClipEncoder) -> tuple[AnyErasure, Record]:
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
        for part, shapes in _parts(record, file.shapes):
            _check_shapes(part, shapes, encoder)
        restored = [_restored(part, tensors) for part, tensors in _parts(record, file.load())]
    except RefusedError as error:
        raise ErasureFileError(f"{name} cannot be used: {error}.") from error
    erasure = Stacked(*restored) if record.parts else restored[0]
    if erasure.tuned:  # the factors of a projection are bounded
        _require_embeddings(erasure.fine_tuned(encoder), name)
    return erasure, record


def _parts(record: Record, named: Mapping[str, Value]) -> list[tuple[Record, Mapping[str, Value]]]:
    """Each part's record with what of :attr:`AnyErasure.tensors` belongs to it."""
    return list(zip(record.parts, split(named), strict=True)) if record.parts else [(record, named)]


def _check_shapes(record: Record, shapes: Shapes, encoder: OpenClipEncoder) -> None:
    """Nothing, if tensors of these ``shapes`` are an erasure of ``encoder`` by the method of ``record``.

    Raises:
        ErasureFileError: they are not, or the method is not known.
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
    if left[0] != d or left[1] > 16 * d:  # the paired form has a column a concept
        raise ErasureFileError(f"The factors are {left[0]} × {left[1]}; “{encoder.name}” embeds in {d} dimensions.")


def _restored(record: Record, tensors: Mapping[str, Tensor]) -> Erasure[Any]:
    """The erasure whose :attr:`Erasure.tensors` these are, of one of :data:`SETTINGS`.

    Raises:
        RefusedError, ParameterError: its settings cannot be used, or the factors are too large.
    """
    settings = check(SETTINGS[record.method], record.parameters)
    if record.method == "cliperase":
        return Erasure(record.method, record.selection, settings, delta=dict(tensors))
    # No product of factors under this bound with an embedding of unit length overflows, nor does its square.
    if not all(tensor.double().norm() < MOST_NORM for tensor in tensors.values()):
        raise RefusedError("it holds factors so large that no embedding stays a number")
    projection = Projection(tensors["left"], tensors["right"], settings.strength)
    return Erasure(record.method, record.selection, settings, projection=projection)


def _require_embeddings(tuned: OpenClipEncoder, name: str) -> None:
    """Nothing, if ``tuned`` gives an image and a text embeddings of unit length.

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
