"""Gradio page that accepts only uploaded files as inputs."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components.api_component import Api
from gradio.utils import get_upload_folder, is_in_or_equal

from unlearn.errors import lacking
from unlearn.ui.server.bodies import mismatch

#: Components whose values have a type that gradio does not check, or only by an error in the middle of an event.
TYPED = (Api, gr.Dropdown, gr.Radio, gr.Textbox, gr.Number, gr.Slider, gr.Checkbox, gr.Image)
UNUSABLE = "A value of this request is not what its field on the page takes."


class UploadsOnly(gr.Blocks):
    """Gradio's page, restricted to uploads: by itself it downloads a file given by a web address, from this machine.

    It also passes on a file without gradio's mark unchecked, so that a visitor could see any image on this machine.
    """

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *args: Any, **kwargs: Any) -> list[Any]:
        """Check every file among ``inputs`` and the types of the others, then run gradio's method.

        Raises:
            gradio.Error: an input was not uploaded, or is not valid; it is not logged.
        """
        if not _all_uploaded(inputs):
            raise gr.Error("Send the file itself; addresses and other paths are not read.", print_exception=False)
        for value, block in zip(inputs, block_fn.inputs, strict=False):
            if isinstance(block, TYPED) and (wanted := mismatch(value, block.api_info())):
                raise gr.Error(f"“{block.label}” must be {wanted}.", print_exception=False)
        try:
            return list(await super().preprocess_data(block_fn, inputs, *args, **kwargs))
        except gr.Error as error:
            raise gr.Error(error.message, print_exception=False) from None
        except Exception as error:
            raise gr.Error(lacking(error) or UNUSABLE, print_exception=False) from None


def _all_uploaded(value: Any) -> bool:
    """Return whether every ``path`` in ``value``, at any depth, is that of an uploaded file."""
    if isinstance(value, list):
        return all(map(_all_uploaded, value))
    if not isinstance(value, dict):
        return True
    path = value.get("path")
    return (not path or is_in_or_equal(str(path), get_upload_folder())) and all(map(_all_uploaded, value.values()))
