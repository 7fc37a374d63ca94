"""Gradio page with error messages for failures outside of the handlers."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components.api_component import Api
from gradio.state_holder import SessionState

from unlearn.ui.guard import sentence_of
from unlearn.ui.server.uploads_only import UploadsOnly


class GuardedPage(UploadsOnly):
    """Gradio's page, which reads the browser's data before a handler runs and writes the result after it.

    An error there is outside of :mod:`unlearn.ui.guard`'s wrappers, and gradio would print its traceback and show the
    visitor no reason.
    """

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: SessionState | None, *args: Any, **kwargs: Any
    ) -> list[Any]:
        """Run gradio's method with inputs that handlers can use.

        A choice that was withdrawn while the request was on its way becomes None: gradio would refuse the whole event,
        and a click made just before an update would be lost. A null becomes the input's empty value.
        """
        current = [
            None if state is not None and _withdrawn(value, block, state) else _empty(block) if value is None else value
            for value, block in zip(inputs, block_fn.inputs, strict=False)
        ]
        # Inputs beyond the event's own are left for gradio to refuse.
        return await super().preprocess_data(block_fn, current + inputs[len(current) :], state, *args, **kwargs)

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
