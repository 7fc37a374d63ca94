"""A page whose inputs are files that were sent to it, and nothing else."""

from __future__ import annotations

from typing import Any

import gradio as gr


class LocalFilesOnly(gr.Blocks):
    """Gradio's page, which would fetch a file given as an address of the web: a request in this machine's name."""

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """Gradio's own, after a look at every file among ``inputs``.

        Raises:
            gradio.Error: one of them is named by an address.
        """
        if _names_an_address(inputs):
            raise gr.Error("Files are not fetched from addresses; send the file itself.", print_exception=False)
        return list(await super().preprocess_data(block_fn, inputs, *args, **kwargs))


def _names_an_address(value: Any) -> bool:
    if isinstance(value, dict):
        return "://" in str(value.get("path", "")) or any(map(_names_an_address, value.values()))
    return isinstance(value, list) and any(map(_names_an_address, value))
