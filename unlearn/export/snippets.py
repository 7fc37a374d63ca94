"""What to paste to use a file without this package: the scripts of ``examples/``, with one's own names in them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unlearn.config import ASSETS
from unlearn.export.edit_file import Erasure
from unlearn.export.open_clip_folder import HUB

EXAMPLES = ASSETS.parent / "examples"


def snippet(example: str, **constants: Any) -> str:
    """The script ``examples/EXAMPLE.py`` with its constants, the lines ``NAME = …`` at its top, given other values.

    A value is written as a Python literal, so that nobody's words become code.
    """
    text = (EXAMPLES / f"{example}.py").read_text(encoding="utf-8")
    for name, value in constants.items():
        # JSON's strings and lists are Python's too, in double quotes.
        line = f"{name} = {'None' if value is None else json.dumps(value, ensure_ascii=False)}"
        text, found = re.subn(rf"^{name} = .*$", line.replace("\\", r"\\"), text, flags=re.M)
        if found != 1:
            raise KeyError(f"examples/{example}.py sets {name} {found} times")
    return text


def snippets_of(folder: Path, erasure: Erasure, model: str, formats: Sequence[str]) -> dict[str, str]:
    """How to use each thing that ``save_erasure`` put in ``folder``, an ``erasure`` of the model called ``model``."""
    labels = list(dict.fromkeys([*erasure.selection.forget_names[:3], "dog", "pizza"]))
    found = {"the edit alone": _of_edit(erasure.method, model, str(folder / "edit.safetensors"), labels)}
    if "open_clip" in formats:
        found["the whole model in open_clip"] = snippet("open_clip_model", FOLDER=str(folder), LABELS=labels)
    if "transformers" in formats:
        path = str(folder / "transformers")
        found["the whole model in transformers"] = snippet("transformers_clip", FOLDER=path, LABELS=labels)
    return found


def _of_edit(method: str, model: str, edit: str, labels: Sequence[str]) -> str:
    if method in ("ccup", "baseline"):
        return snippet("edit_of_embeddings", EDIT=edit)
    constants: dict[str, Any] = {"EDIT": edit}
    if model != "pocket":
        architecture, _, pretrained = (model, "", "") if model.startswith(HUB) else model.partition("/")
        constants |= {"MODEL": architecture, "PRETRAINED": pretrained or None}
    if method == "stacked":
        constants |= {} if model == "pocket" else {"TOKENIZER": {}}
        return snippet("edit_of_both", LABELS=labels, **constants)
    return snippet("edit_of_weights", **constants)
