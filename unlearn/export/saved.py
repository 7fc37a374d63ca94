"""An erasure as a folder: written by ``erase``, read by ``--erasure``, and the content of a download.

``DIR/erasure.json``         method, parameters, concepts, metrics, hashes of all files, versions, seed
``DIR/edit.safetensors``     the edit alone, a few kilobytes, with the same record inside
``DIR/open_clip_model.safetensors``  all weights with the edit baked in; with the other files, open_clip loads
                             ``local-dir:DIR``, or ``hf-hub:ORG/REPO`` once it is on a hub
``DIR/transformers/``        the same as a transformers ``CLIPModel``, if the architecture allows it
``DIR/README.md``            the model card, which may be edited
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from unlearn.clip.encoders import OpenClipEncoder
from unlearn.clip.weights import with_weights
from unlearn.concepts.prompts import TEMPLATES
from unlearn.erasers.erasure import AnyErasure
from unlearn.errors import ErasureFileError, ModelError, ParameterError
from unlearn.export.card import may_be_written, write_card
from unlearn.export.edit_file import load_edit, record_of, require_base, save_edit
from unlearn.export.open_clip_folder import save_open_clip
from unlearn.export.record import Record
from unlearn.export.snippets import snippets_of
from unlearn.export.transformers_clip import save_transformers
from unlearn.export.vanished import live_only
from unlearn.files.schemas import RefusedError, read_bytes
from unlearn.files.writing import files_in, is_inside, listed_in, require_folder, sha256_of, whole_folder
from unlearn.finetuning.sources import BUNDLED

EDIT, RECORD, TRANSFORMERS = "edit.safetensors", "erasure.json", "transformers"
#: Files that loaders of a folder may take for its model.
WEIGHTS = frozenset({".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack"})


def save_erasure(
    folder: str | Path,
    encoder: OpenClipEncoder,
    erasure: AnyErasure,
    *,
    metrics: Mapping[str, Any],
    seed: int = 0,
    vocabulary: str = BUNDLED,
    images: str = BUNDLED,
    templates: Sequence[str] = TEMPLATES,
    formats: Sequence[str] = ("open_clip",),
    findings: Sequence[Mapping[str, Any]] = (),
    repository: str | None = None,
) -> dict[str, Any]:
    """Write ``erasure`` of ``encoder`` to ``folder``: its edit and the whole model in ``formats``; return the record.

    ``metrics``, ``seed``, ``vocabulary`` and ``images`` are stored in the :class:`Record`; ``templates`` are those of
    the vocabulary. ``findings`` of an audit, as JSON, go on the model card; ``repository`` is the one on a hub that the
    folder is meant for.

    Files of an earlier erasure in ``folder`` are removed, so that all files there belong to the same edit.

    Raises:
        ModelError: the edit cannot be baked into this model's weights, or the baked model would differ from it;
            or a format does not support the model.
        ParameterError: ``folder`` is not writable, or contains weights that are not an erasure's.
    """
    out = Path(folder)
    require_own(out)
    if formats and (why := live_only(erasure.apply(encoder), erasure.selection, templates)):
        raise ModelError(why)
    changed = erasure.changed_weights(encoder) if formats else {}
    record = record_of(encoder, erasure, metrics=metrics, seed=seed, vocabulary=vocabulary, images=images)
    with whole_folder(out, last=RECORD, replaces=listed_in(out / RECORD)) as new:
        if "transformers" in formats:  # first, because it may reject the model
            save_transformers(new / TRANSFORMERS, with_weights(encoder, changed, name=encoder.name))
        if "open_clip" in formats:
            save_open_clip(new, encoder, changed, repository)
        save_edit(new / EDIT, erasure, record)
        record = record.with_hashes({name: sha256_of(new / name) for name in files_in(new)})
        (new / RECORD).write_text(record.dumps(), encoding="utf-8")
        if may_be_written(out):
            snippets = snippets_of(Path(out.name), erasure, encoder.name, formats, repository)
            library = "transformers" if tuple(formats) == ("transformers",) else "open_clip"
            write_card(new, record, snippets, library=library, findings=findings)
    return record.to_json()


def require_own(folder: Path) -> None:
    """Raise unless an erasure can be written to ``folder`` without keeping or losing another model there.

    Raises:
        ParameterError: ``folder`` is not writable, or contains weights that are not an erasure's.
    """
    require_folder(folder)
    known = set(listed_in(folder / RECORD))
    there = [path for part in (folder, folder / TRANSFORMERS) if part.is_dir() for path in part.iterdir()]
    names = (path.relative_to(folder).as_posix() for path in there if path.suffix.lower() in WEIGHTS)
    if strange := sorted(set(names) - known):
        raise ParameterError(
            f"“{folder}” holds {strange[0]}, which its {RECORD} does not know: a program could take it for the edited "
            "model. Name another folder, or remove it first."
        )


def load_recorded(source: str | Path, encoder: OpenClipEncoder) -> tuple[AnyErasure, Record]:
    """Load an erasure of ``encoder``, and its record, from a folder written by :func:`save_erasure` or an edit file.

    The record of a folder also contains the hashes of its files.

    Raises:
        ErasureFileError: a file is missing, has changed, or belongs to another model.
    """
    path = Path(source)
    if path.is_file():
        return load_edit(path, encoder)
    try:
        record = Record.loads(read_bytes(path / RECORD), source=f"“{path}”")
    except RefusedError as error:
        raise ErasureFileError(f"“{path}” holds no readable {RECORD}: {error}.") from error
    require_base(record, encoder)
    for name, digest in record.sha256.items():
        if name != "input" and not (is_inside(name) and (path / name).is_file() and sha256_of(path / name) == digest):
            raise ErasureFileError(f"“{path / name}” is missing or was changed after {RECORD} was written.")
    erasure, inside = load_edit(path / EDIT, encoder)
    if replace(inside, sha256={}) != replace(record, sha256={}):
        raise ErasureFileError(f"“{path / RECORD}” tells of another erasure than the record inside {EDIT}.")
    return erasure, record
