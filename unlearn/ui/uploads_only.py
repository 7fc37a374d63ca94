"""A page whose inputs are files that were sent to it, and nothing else."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder, is_in_or_equal


class UploadsOnly(gr.Blocks):
    """Gradio's page, which by itself fetches a file that is named by an address, a request in this machine's name.

    A file that lacks gradio's mark it passes on unchecked, so that any picture on this machine could be looked at.
    """

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """Gradio's own, after a look at every file among ``inputs``.

        Raises:
            gradio.Error: one of them was not uploaded.
        """
        if not _all_uploaded(inputs):
            raise gr.Error("Send the file itself; addresses and other paths are not read.", print_exception=False)
        return list(await super().preprocess_data(block_fn, inputs, *args, **kwargs))


def _all_uploaded(value: Any) -> bool:
    """Whether every ``path`` in ``value``, however deep, is of a file that somebody sent."""
    if isinstance(value, list):
        return all(map(_all_uploaded, value))
    if not isinstance(value, dict):
        return True
    path = value.get("path")
    return (not path or is_in_or_equal(str(path), get_upload_folder())) and all(map(_all_uploaded, value.values()))
