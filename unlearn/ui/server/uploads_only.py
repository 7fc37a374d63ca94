"""A page whose inputs are files that were sent to it, and nothing else."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components.api_component import Api
from gradio.utils import get_upload_folder, is_in_or_equal

from unlearn.errors import exhausted
from unlearn.ui.server.bodies import mismatch

UNUSABLE = "A value of this request is not what its field on the page takes."


class UploadsOnly(gr.Blocks):
    """Gradio's page, which by itself fetches a file that is named by an address, a request in this machine's name.

    A file that lacks gradio's mark it passes on unchecked, so that any picture on this machine could be looked at.
    """

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """Gradio's own, after a look at every file among ``inputs`` and at the types that endpoints ask for.

        Raises:
            gradio.Error: one of them was not uploaded, or cannot be used; nothing is logged of it.
        """
        if not _all_uploaded(inputs):
            raise gr.Error("Send the file itself; addresses and other paths are not read.", print_exception=False)
        for value, block in zip(inputs, block_fn.inputs, strict=False):
            if isinstance(block, Api) and (wanted := mismatch(value, block.api_info())):
                raise gr.Error(f"“{block.label}” must be {wanted}.", print_exception=False)
        try:
            return list(await super().preprocess_data(block_fn, inputs, *args, **kwargs))
        except gr.Error as error:
            raise gr.Error(error.message, print_exception=False) from None
        except Exception as error:
            raise gr.Error(exhausted(error) or UNUSABLE, print_exception=False) from None


def _all_uploaded(value: Any) -> bool:
    """Whether every ``path`` in ``value``, however deep, is of a file that somebody sent."""
    if isinstance(value, list):
        return all(map(_all_uploaded, value))
    if not isinstance(value, dict):
        return True
    path = value.get("path")
    return (not path or is_in_or_equal(str(path), get_upload_folder())) and all(map(_all_uploaded, value.values()))
