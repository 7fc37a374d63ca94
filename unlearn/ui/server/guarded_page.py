"""A page on which an error between the browser and a handler is a sentence too."""

from __future__ import annotations

from typing import Any

import gradio as gr

from unlearn.ui.guard import sentence_of
from unlearn.ui.server.uploads_only import UploadsOnly


class GuardedPage(UploadsOnly):
    """Gradio's page. It reads what a browser sends before a handler runs and writes what it gives back after.

    An error there passes by :mod:`unlearn.ui.guard`'s wrappers of handlers, and gradio would print its traceback and
    tell the visitor nothing.
    """

    async def process_api(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Gradio's own.

        Raises:
            gradio.Error: anything went wrong; its message is for the visitor.
        """
        try:
            return dict(await super().process_api(*args, **kwargs))
        except gr.Error as error:
            error.print_exception = False
            raise
        except Exception as error:
            raise gr.Error(sentence_of(error), print_exception=False) from None
