"""An erasure on disk: a whole open_clip checkpoint, the edit alone, and a record of how it was made.

``DIR/model.safetensors``    every weight of the model, the edit baked in; stock open_clip loads it
``DIR/edit.safetensors``     the edit alone, a few kilobytes
``DIR/erasure.json``         method, parameters, concepts, metrics, hashes, versions, seed
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from safetensors.torch import load_file, save_file
from torch import Tensor

from unlearn.concepts import Concept, Selection
from unlearn.encoders import OpenClipEncoder, TextImageEncoder
from unlearn.erasers import baselines, ccup, cliperase, stacked
from unlearn.errors import ErasureFileError

MODEL, EDIT, RECORD = "model.safetensors", "edit.safetensors", "erasure.json"
PACKAGES = ("torch", "open_clip_torch", "numpy", "safetensors")


class Erasure(Protocol):
    """What every method ends as: a value that can be applied to an encoder, baked into weights, and saved."""

    method: str

    @property
    def selection(self) -> Selection: ...
    @property
    def settings(self) -> Any: ...
    def apply(self, encoder: Any) -> TextImageEncoder: ...
    def changed_weights(self, encoder: OpenClipEncoder) -> dict[str, Tensor]: ...
    def save(self, path: Path) -> None: ...


def save_erasure(
    folder: str | Path,
    encoder: OpenClipEncoder,
    erasure: Erasure,
    *,
    metrics: Mapping[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Write ``erasure`` of ``encoder`` to ``folder`` and return the record.

    Weights keep the precision of the base model's file, except those that the edit changes: they are float32. What the
    file holds beside the model, such as the rest of a BLIP, is kept too.

    Raises:
        ModelError: the edit cannot be baked into this model's weights.
    """
    out = Path(folder)
    changed = erasure.changed_weights(encoder)
    path = encoder.weights_file
    state = encoder.model.state_dict()
    stored = load_file(path) if path and path.suffix == ".safetensors" else state
    if not state.keys() <= stored.keys():
        stored = state  # open_clip has translated the file's names
    out.mkdir(parents=True, exist_ok=True)
    save_file({key: tensor.cpu().contiguous() for key, tensor in {**stored, **changed}.items()}, out / MODEL)
    erasure.save(out / EDIT)
    record = {
        "format": 1,
        "method": erasure.method,
        "model": encoder.name,
        "parameters": asdict(erasure.settings),
        "concepts": {
            "forget": [asdict(concept) for concept in erasure.selection.forget],
            "retain": list(erasure.selection.retain),
        },
        "metrics": dict(metrics),
        "seed": seed,
        "sha256": {"input": encoder.sha256, "output": _sha256(out / MODEL), "edit": _sha256(out / EDIT)},
        "versions": {"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
    }
    (out / RECORD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return record


def load_erasure(folder: str | Path, encoder: OpenClipEncoder) -> Erasure:
    """Read an erasure that :func:`save_erasure` wrote, for the same base model.

    Raises:
        ErasureFileError: a file is missing, was changed since, or belongs to another model.
    """
    source = Path(folder)
    try:
        record = json.loads((source / RECORD).read_text(encoding="utf-8"))
        hashes = record["sha256"]
        concepts = record["concepts"]
        selection = Selection(
            tuple(Concept(**{**c, "synonyms": tuple(c["synonyms"])}) for c in concepts["forget"]),
            tuple(concepts["retain"]),
        )
        method, parameters = record["method"], record["parameters"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ErasureFileError(f"“{source}” holds no readable {RECORD} ({type(error).__name__}: {error}).") from error
    if hashes["input"] != encoder.sha256:
        raise ErasureFileError(
            f"This erasure was made for other weights of “{record['model']}” than those of “{encoder.name}” loaded now."
        )
    for name, key in ((MODEL, "output"), (EDIT, "edit")):
        if not (source / name).is_file() or _sha256(source / name) != hashes[key]:
            raise ErasureFileError(f"“{source / name}” is missing or was changed after {RECORD} was written.")
    loaders: dict[str, Callable[[Path, Selection, Mapping[str, Any]], Erasure]] = {
        kind.method: kind.load for kind in (ccup.Erasure, cliperase.Erasure, stacked.Erasure, baselines.Erasure)
    }
    if method not in loaders:
        raise ErasureFileError(f"The method “{method}” is not known; known: {', '.join(loaders)}.")
    return loaders[method](source / EDIT, selection, parameters)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
