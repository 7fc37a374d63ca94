"""Code that uses an exported file without this package: the scripts in ``examples/`` with your names filled in."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unlearn.clip.sources import LOCAL
from unlearn.erasers.erasure import AnyErasure
from unlearn.export.open_clip_folder import HUB
from unlearn.files.assets import EXAMPLES

#: Parts written by ``save_erasure``, in words.
PARTS = {
    "edit": "the edit alone",
    "open_clip": "the whole model in open_clip",
    "transformers": "the whole model in transformers",
}


def snippet(example: str, **constants: Any) -> str:
    """Return the script ``examples/EXAMPLE.py`` with new values for its constants, the lines ``NAME = …`` at its top.

    Values are written as Python literals, so that input cannot become code.
    """
    text = (EXAMPLES / f"{example}.py").read_text(encoding="utf-8")
    for name, value in constants.items():
        # In double quotes; JSON strings and lists are also valid Python.
        line = f"{name} = {'None' if value is None else json.dumps(value, ensure_ascii=False)}"
        text, found = re.subn(rf"^{name} = .*$", line.replace("\\", r"\\"), text, flags=re.M)
        if found != 1:
            raise KeyError(f"examples/{example}.py sets {name} {found} times")
    return text


def snippets_of(
    folder: Path, erasure: AnyErasure, model: str, formats: Sequence[str], repository: str | None = None
) -> dict[str, str]:
    """Return code for each part that ``save_erasure`` wrote to ``folder``, an ``erasure`` of the model ``model``.

    With a ``repository``, whole models are loaded from there.
    """
    written = [part for part in PARTS if part == "edit" or part in formats]
    return {PARTS[part]: snippet_of(part, folder, erasure, model, repository) for part in written}


def snippet_of(part: str, folder: Path, erasure: AnyErasure, model: str, repository: str | None = None) -> str:
    """Return code that uses one of :data:`PARTS`."""
    labels = list(dict.fromkeys([*erasure.selection.forget_names[:3], "dog", "pizza"]))
    if part == "open_clip":
        return snippet(
            "open_clip_model", MODEL=f"{HUB}{repository}" if repository else f"{LOCAL}{folder}", LABELS=labels
        )
    if part == "transformers":
        return snippet("transformers_clip", MODEL=repository or str(folder), LABELS=labels)
    return _of_edit(erasure.method, model, str(folder / "edit.safetensors"), labels)


def _of_edit(method: str, model: str, edit: str, labels: Sequence[str]) -> str:
    if method in ("ccup", "baseline"):
        return snippet("edit_of_embeddings", EDIT=edit)
    constants: dict[str, Any] = {"EDIT": edit}
    if model != "pocket":
        whole = model.startswith((HUB, LOCAL))
        architecture, _, pretrained = (model, "", "") if whole else model.partition("/")
        constants |= {"MODEL": architecture, "PRETRAINED": pretrained or None}
    if method == "stacked":
        return snippet("edit_of_both", LABELS=labels, **constants)
    return snippet("edit_of_weights", **constants)
