"""Temporary folder of this process, for uploads, exports and all other temporary files; removed when it ends.

Gradio serves the files in its folder to anyone who knows their names, so files left by one process would be served by
the next.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path

from unlearn.errors import ParameterError
from unlearn.files.scratch import Scratch

GRADIO = "GRADIO_TEMP_DIR"
_made: list[Scratch] = []


def make_own_folder() -> Path:
    """Make the folder inside the one that the environment names, or the system's, and set it as gradio's.

    Raises:
        ParameterError: the folder is not writable.
    """
    parent = Path(os.environ.get(GRADIO) or tempfile.gettempdir())
    try:
        parent.mkdir(parents=True, exist_ok=True)
        made = Scratch(parent, "unlearn-process-")
    except OSError as error:
        raise ParameterError(
            f"Nothing can be written to “{parent}” ({error.strerror}); name another folder in {GRADIO}."
        ) from error
    _made.append(made)
    atexit.register(remove_own_folder)
    os.environ[GRADIO] = tempfile.tempdir = str(made.path)
    return made.path


def remove_own_folder() -> None:
    """Remove the folder, if one was made."""
    while _made:
        _made.pop().remove()
