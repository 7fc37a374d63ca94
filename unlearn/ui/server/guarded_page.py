"""Gradio page with error messages for failures outside of the handlers."""

from __future__ import annotations

from typing import Any

import gradio as gr

from unlearn.ui.guard import sentence_of
from unlearn.ui.server.uploads_only import UploadsOnly


class GuardedPage(UploadsOnly):
    """Gradio's page, which reads the browser's data before a handler runs and writes the result after it.

    An error there is outside of :mod:`unlearn.ui.guard`'s wrappers, and gradio would print its traceback and show the
    visitor no reason.
    """

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
