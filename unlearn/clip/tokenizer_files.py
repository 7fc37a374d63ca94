"""Checking of tokenizer files: the vocabulary in ``tokenizer.json``, and a new configuration beside it.

transformers would take a tokenizer's class, its files and their arguments from the repository. Here the class is always
the generic fast tokenizer, and only its special tokens and its padding side are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from open_clip.tokenizer import HFTokenizer
from pydantic import BeforeValidator, Field

from unlearn.clip.architectures import Checked, Chosen, checked
from unlearn.clip.repositories import Files, require_size

VOCABULARY, OPTIONS, MARKS = "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"


def _text_of(given: Any) -> Any:
    """Return the text of a special token, which is given as a string or as an object that contains it."""
    return given.get("content") if isinstance(given, dict) else given


Mark = Annotated[Annotated[str, Field(max_length=100)] | None, BeforeValidator(_text_of)]


class _Options(Chosen):
    pad_token: Mark = None
    unk_token: Mark = None
    bos_token: Mark = None
    eos_token: Mark = None
    cls_token: Mark = None
    sep_token: Mark = None
    mask_token: Mark = None
    padding_side: Literal["left", "right"] = "right"
    truncation_side: Literal["left", "right"] = "right"
    clean_up_tokenization_spaces: bool = False
    split_special_tokens: bool = False


def find_tokenizer(files: Files) -> dict[str, Path]:
    """Return the files of the tokenizer among ``files``, by name.

    Raises:
        ModelError: there is no ``tokenizer.json``.
    """
    found = {VOCABULARY: files.fetch(VOCABULARY)}
    return found | {name: path for name in (OPTIONS, MARKS) if (path := files.find(name)) is not None}


def write_tokenizer(files: Mapping[str, Path], folder: Path) -> None:
    """Write the tokenizer of ``files`` to ``folder``, with only checked values in its configuration.

    Raises:
        ModelError: a file is too large, or contains a value that is not allowed.
    """
    given: dict[str, Any] = {}
    for name in (MARKS, OPTIONS):
        if name in files:
            given |= read_checked(_Options, files[name]).model_dump(exclude_none=True, exclude_unset=True)
    require_size(VOCABULARY, files[VOCABULARY].stat().st_size)
    (folder / VOCABULARY).symlink_to(files[VOCABULARY].resolve())
    given["tokenizer_class"] = "PreTrainedTokenizerFast"
    (folder / OPTIONS).write_text(json.dumps(given), encoding="utf-8")


def load_tokenizer(folder: Path, context: int, **options: Any) -> Any:
    """Load the tokenizer that :func:`write_tokenizer` wrote to ``folder``, behind open_clip's interface.

    ``options`` are the checked options of open_clip's wrapper, which control its processing of texts and tokens.
    """
    return HFTokenizer(str(folder), context_length=context, **options, trust_remote_code=False)


def read_checked(schema: type[Checked], path: Path) -> Checked:
    """Read the JSON file ``path`` and validate it against ``schema``.

    Raises:
        ModelError: the file is too large, is not JSON, or contains a value that is not allowed.
    """
    require_size(path.name, path.stat().st_size)
    return checked(schema, path.read_bytes(), path.name)
