"""Settings of a running app, read once from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from unlearn.errors import ParameterError

ASSETS = Path(__file__).resolve().parent.parent / "assets"


@dataclass(frozen=True)
class Settings:
    """Limits and defaults; every field can be set as ``UNLEARN_<FIELD>`` in the environment.

    ``Settings()`` is what a fresh machine gets: the embedded model, its gallery, port 7860.
    """

    model: str = field(default="pocket", metadata={"help": "model the app starts with"})
    precision: str = field(
        default="auto", metadata={"help": "arithmetic of the towers: auto, float32, bfloat16 or float16"}
    )
    gallery: str = field(default="", metadata={"help": "folder of pictures instead of the bundled gallery"})
    host: str = field(default="0.0.0.0", metadata={"help": "address to listen on"})  # noqa: S104
    port: int = field(default=7860, metadata={"help": "port to listen on"})
    max_concepts: int = field(default=128, metadata={"help": "concepts one erasure may name"})
    max_upload_mb: int = field(default=10, metadata={"help": "largest upload, in megabytes"})
    max_downloads_mb: int = field(
        default=4096, metadata={"help": "disk for the files of all visitors together, in megabytes"}
    )
    queue_size: int = field(default=64, metadata={"help": "requests that may wait before new ones are turned away"})

    @classmethod
    def from_env(cls, environ: dict[str, str] | None = None) -> Settings:
        """Read the settings from ``environ`` (default: the process's).

        Raises:
            ParameterError: a whole number was expected and something else was given.
        """
        environ = dict(os.environ) if environ is None else environ
        given: dict[str, Any] = {}
        for entry in fields(cls):
            name = f"UNLEARN_{entry.name.upper()}"
            if name not in environ:
                continue
            text = environ[name].strip()
            if isinstance(entry.default, int):
                if not text.isascii() or not text.isdigit() or int(text) < 1:
                    raise ParameterError(f"{name} is {text!r}; it must be a whole number of at least 1.")
                given[entry.name] = int(text)
            else:
                given[entry.name] = text
        return cls(**given)
