"""Settings of a running app, read once from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from typing import Any

from unlearn.errors import ParameterError

#: Set by Hugging Face in every Space, and nowhere else.
SPACE = "SPACE_ID"


#: gradio's variable that would let everybody fetch files of the host.
ALLOWED_PATHS = "GRADIO_ALLOWED_PATHS"
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


def _setting(default: Any, meaning: str, *, on_space: Any = None, of_gradio: str = "") -> Any:
    """Declare a field with its meaning for the documents.

    Args:
        default: its value on a new machine.
        meaning: a noun phrase.
        on_space: the default behind a Space's proxy.
        of_gradio: gradio's own variable, which is read if ours is not set.
    """
    known = {"help": meaning, "on_space": default if on_space is None else on_space, "of_gradio": of_gradio}
    return field(default=default, metadata=known)


@dataclass(frozen=True)
class Settings:
    """Limits and defaults; every field can be set as ``UNLEARN_<FIELD>`` in the environment.

    ``Settings()`` gives the defaults of a new machine: the embedded model, its gallery, port 7860.
    """

    model: str = _setting("pocket", "model the app starts with, as `load_clip` takes it")
    precision: str = _setting("auto", "arithmetic of the towers: `auto`, `float32`, `bfloat16` or `float16`")
    visitors_models: str = _setting(
        "curated", "models that visitors may choose: `any` that a hub has, the `curated` ones, or only the app's `own`"
    )
    gallery: str = _setting("", "folder of pictures, one subfolder a class, in place of the bundled gallery")
    index: str = _setting("", "folder that `index` wrote with the app's model, to be searched beside the gallery")
    host: str = _setting("0.0.0.0", "address to listen on", of_gradio="GRADIO_SERVER_NAME")  # noqa: S104
    port: int = _setting(7860, "port to listen on", of_gradio="GRADIO_SERVER_PORT")
    share: bool = _setting(False, "a public address through gradio's tunnel", of_gradio="GRADIO_SHARE")
    max_concepts: int = _setting(128, "concepts one erasure may name")
    max_steps: int = _setting(500, "steps one run of CLIPErase may make")
    max_run_minutes: int = _setting(30, "minutes a background run may take; what it came to by then is kept")
    max_runs_per_address: int = _setting(3, "background runs of one address that may wait and run at once")
    max_upload_mb: int = _setting(10, "largest file, in megabytes")
    max_request_mb: int = _setting(64, "largest request, all its files together, in megabytes")
    max_uploads_mb: int = _setting(256, "disk for the newest uploads of one address, in megabytes")
    max_downloads_mb: int = _setting(4096, "disk for the files made for all visitors together, in megabytes")
    queue_size: int = _setting(64, "requests that may wait before new ones are turned away")
    requests_per_minute: int = _setting(600, "requests, and megabytes sent, that one address may make in a minute")
    connections_per_address: int = _setting(
        128, "connections, and requests under way, that one address may have open at once"
    )
    sessions_per_address: int = _setting(100, "visits of one address that are kept at once; the least used ends first")
    trusted_proxies: str = _setting(
        "127.0.0.1",
        "addresses and networks whose `X-Forwarded-For` tells the visitor's address",
        on_space="127.0.0.1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16",
    )
    allowed_hosts: str = _setting("", "host names the app answers to, with commas between; empty for any")
    frame_ancestors: str = _setting(
        "'self'",
        "pages that may show this one in a frame, as CSP writes them",
        on_space="'self' https://huggingface.co",
    )

    @classmethod
    def from_env(cls, environ: dict[str, str] | None = None) -> Settings:
        """Read the settings from ``environ``, by default the environment of the process.

        Raises:
            ParameterError: a variable that must be a whole number, or true or false, is something else; or gradio's
                variable that would publish files is set.
        """
        environ = dict(os.environ) if environ is None else environ
        if environ.get(ALLOWED_PATHS, "").strip():
            raise ParameterError(f"{ALLOWED_PATHS} would let everybody fetch the files there; unset it.")
        given: dict[str, Any] = {}
        for entry in fields(cls):
            own, theirs = f"UNLEARN_{entry.name.upper()}", entry.metadata["of_gradio"]
            name = theirs if own not in environ and theirs in environ else own
            if name not in environ:
                if SPACE in environ:
                    given[entry.name] = entry.metadata["on_space"]
                continue
            text = environ[name].strip()
            if isinstance(entry.default, bool):
                if text.lower() not in (*_YES, *_NO):
                    raise ParameterError(f"{name} is {text!r}; it must be true or false.")
                given[entry.name] = text.lower() in _YES
            elif isinstance(entry.default, int):
                if not text.isascii() or not text.isdigit() or int(text) < 1:
                    raise ParameterError(f"{name} is {text!r}; it must be a whole number of at least 1.")
                given[entry.name] = int(text)
            else:
                given[entry.name] = text
        return cls(**given)

    @classmethod
    def table(cls) -> str:
        """Return all settings as a Markdown table with one row each, for the documents."""
        rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
        for entry in fields(cls):
            default = f"`{entry.default}`" if entry.default != "" else "–"
            other = entry.metadata["on_space"]
            if other != entry.default:
                default += f"; on a Space `{other}`"
            also = f"; else `{entry.metadata['of_gradio']}`" if entry.metadata["of_gradio"] else ""
            rows.append(f"| `UNLEARN_{entry.name.upper()}` | {default} | {entry.metadata['help']}{also} |")
        return "\n".join(rows)
