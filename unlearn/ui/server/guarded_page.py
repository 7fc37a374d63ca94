"""Gradio page that checks what the browser sends to an event, and answers every error with a sentence."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components.api_component import Api
from gradio.state_holder import SessionState
from gradio.utils import get_upload_folder, is_in_or_equal

from unlearn.errors import lacking
from unlearn.ui.guard import sentence_of
from unlearn.ui.server.bodies import mismatch

#: Components whose values have a type that gradio does not check, or only by an error in the middle of an event.
TYPED = (Api, gr.Dropdown, gr.Radio, gr.Textbox, gr.Number, gr.Slider, gr.Checkbox, gr.Image)
UNUSABLE = "A value of this request is not what its field on the page takes."


class GuardedPage(gr.Blocks):
    """Gradio's page, which reads the browser's data before a handler runs and writes the result after it.

    An error there is outside of :mod:`unlearn.ui.guard`'s wrappers: gradio would print its traceback and show the
    visitor no reason. By itself gradio also downloads a file given by a web address, from this machine, and passes on a
    file without its mark unchecked, so that a visitor could see any image on this machine.
    """

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: SessionState | None, *args: Any, **kwargs: Any
    ) -> list[Any]:
        """Check every file among ``inputs`` and the types of the others, then run gradio's method.

        A choice that was withdrawn while the request was on its way becomes None: gradio would refuse the whole event,
        and a click made just before an update would be lost. A null becomes the input's empty value.

        Raises:
            gradio.Error: an input was not uploaded, or is not valid; it is not logged.
        """
        current = [
            None if state is not None and _withdrawn(value, block, state) else _empty(block) if value is None else value
            for value, block in zip(inputs, block_fn.inputs, strict=False)
        ]
        # Inputs beyond the event's own are left for gradio to refuse.
        current += inputs[len(current) :]
        if not _all_uploaded(current):
            raise gr.Error("Send the file itself; addresses and other paths are not read.", print_exception=False)
        for value, block in zip(current, block_fn.inputs, strict=False):
            if isinstance(block, TYPED) and (wanted := mismatch(value, block.api_info())):
                raise gr.Error(f"“{block.label}” must be {wanted}.", print_exception=False)
        try:
            return list(await super().preprocess_data(block_fn, current, state, *args, **kwargs))
        except gr.Error as error:
            raise gr.Error(error.message, print_exception=False) from None
        except Exception as error:
            raise gr.Error(lacking(error) or UNUSABLE, print_exception=False) from None

    async def process_api(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Run gradio's method, and convert every error.

        Raises:
            gradio.Error: an error occurred; its message is for the visitor.
        """
        try:
            return dict(await super().process_api(*args, **kwargs))
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:
            raise gr.Error(sentence_of(error), print_exception=False) from None


def _empty(block: Block) -> Any:
    """Return what null means for ``block``: an endpoint's default, an empty text, an empty list of choices, or None."""
    if isinstance(block, Api):
        return "" if block.value is None and block.api_info() == {"type": "string"} else block.value
    if isinstance(block, gr.Textbox):
        return ""
    return [] if isinstance(block, gr.Dropdown) and block.multiselect else None


def _withdrawn(value: Any, block: Block, state: SessionState) -> bool:
    """Return whether ``value`` is a single choice that ``block`` no longer offers in this session.

    A block that offers what it was built with has withdrawn nothing: there an unknown choice is an error.
    """
    if not isinstance(block, gr.Dropdown | gr.Radio) or not isinstance(value, str) or block._id not in state:
        return False
    offered = state[block._id].choices
    custom = isinstance(block, gr.Dropdown) and block.allow_custom_value
    return not custom and offered != block.choices and value not in [choice for _, choice in offered]


def _all_uploaded(value: Any) -> bool:
    """Return whether every ``path`` in ``value``, at any depth, is that of an uploaded file."""
    if isinstance(value, list):
        return all(map(_all_uploaded, value))
    if not isinstance(value, dict):
        return True
    path = value.get("path")
    return (not path or is_in_or_equal(str(path), get_upload_folder())) and all(map(_all_uploaded, value.values()))
