"""A log without visitors' data: an error's type, its place in the code, and a short id.

Error messages quote input: a word, a path, a value. The log contains none of it; a visitor who reports the id can still
be helped.
"""

from __future__ import annotations

import logging
import secrets
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

logger = logging.getLogger(__name__)
#: Loggers of this package; their messages are constants.
OURS = "unlearn"


def log_error(error: BaseException) -> str:
    """Log ``error`` and return its id in the log."""
    number = secrets.token_hex(4)
    logger.error("error %s: %s", number, " after ".join(map(_outline, _causes(error))))
    return number


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Iterate over ``error`` and its chain of causes and contexts, each once."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _outline(error: BaseException) -> str:
    """Return the type and place of ``error``, from the outermost call to the line that raised it."""
    frames = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), lookup_lines=False)
    places = [f"{_short(frame.filename)}:{frame.lineno}" for frame in frames]
    return f"{type(error).__name__} at {' > '.join(places) or 'no place'}"


def _short(path: str) -> str:
    """Return the file and its folder: the place where a package is installed is irrelevant."""
    return "/".join(Path(path).parts[-2:])


def keep_words_out() -> None:
    """Reduce all logged or printed errors and warnings of this process to their type and place.

    Libraries log the values that they failed on, and gradio prints tracebacks. This function changes the logging of all
    libraries in the process, so it is meant for a server.
    """
    made = logging.getLogRecordFactory()
    logging.setLogRecordFactory(lambda *args, **kwargs: _without_words(made(*args, **kwargs)))
    warnings.showwarning = _log_warning
    # Handlers that libraries install add no traceback, because the records no longer contain one.
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    replaced: dict[str, Callable[..., Any]] = {
        "print_exc": lambda *_, **__: _log_current(sys.exc_info()[1]),
        "print_exception": lambda error, value=None, *_, **__: _log_current(value or error),
    }
    for name, function in replaced.items():
        setattr(traceback, name, function)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda uncaught: _log_current(uncaught.exc_value)
    sys.unraisablehook = lambda uncaught: _log_current(uncaught.exc_value)


def _log_current(error: object) -> None:
    if isinstance(error, BaseException):
        log_error(error)


def _log_warning(  # noqa: PLR0917  signature given by the library
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    logger.warning("%s at %s:%d", category.__name__, _short(filename), lineno)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _log_current(error.with_traceback(trace))


def _without_words(record: logging.LogRecord) -> logging.LogRecord:
    """Return ``record`` with its place instead of its message (other loggers) and an outline instead of a traceback."""
    error = record.exc_info[1] if record.exc_info else None
    record.exc_info = record.exc_text = record.stack_info = None
    if not record.name.startswith(OURS):
        record.msg, record.args = f"{record.levelname.lower()} at {_short(record.pathname)}:{record.lineno}", ()
    if error is not None:
        record.msg, record.args = f"{record.getMessage()}: {' after '.join(map(_outline, _causes(error)))}", ()
    return record
