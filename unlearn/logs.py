"""The log, without a word of the visitors': of an error its type, its place in the code, and a short id.

Messages quote what was given: a word, a path, a value. Whoever has the log reads none of that; whoever was told the id
can be helped all the same.
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
#: Loggers of this package, whose messages are constants.
OURS = "unlearn"


def log_error(error: BaseException) -> str:
    """Log ``error`` and return the id that the log has it under."""
    number = secrets.token_hex(4)
    logger.error("error %s: %s", number, " after ".join(map(_outline, _causes(error))))
    return number


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """``error``, what it was raised from or after, and so on; in a circle nothing twice."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _outline(error: BaseException) -> str:
    """Type and place of ``error``, from the call that was made first to the line that raised it."""
    frames = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), lookup_lines=False)
    places = [f"{_short(frame.filename)}:{frame.lineno}" for frame in frames]
    return f"{type(error).__name__} at {' > '.join(places) or 'no place'}"


def _short(path: str) -> str:
    """The file and its folder: where a package is installed says nothing."""
    return "/".join(Path(path).parts[-2:])


def keep_words_out() -> None:
    """Let nothing that this process logs, warns of or prints of an error hold more than type and place.

    Libraries log with the values that they failed at, and gradio prints tracebacks; so this is for the process of a
    server, and changes what all of its libraries do.
    """
    made = logging.getLogRecordFactory()
    logging.setLogRecordFactory(lambda *args, **kwargs: _without_words(made(*args, **kwargs)))
    warnings.showwarning = _log_warning
    # Of handlers that libraries set up for themselves, none adds a traceback: their records have none any more.
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


def _log_warning(  # noqa: PLR0917  as the library calls it
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
    """``record`` with its place for a message, where its logger is not ours, and with an outline for a traceback."""
    error = record.exc_info[1] if record.exc_info else None
    record.exc_info = record.exc_text = record.stack_info = None
    if not record.name.startswith(OURS):
        record.msg, record.args = f"{record.levelname.lower()} at {_short(record.pathname)}:{record.lineno}", ()
    if error is not None:
        record.msg, record.args = f"{record.getMessage()}: {' after '.join(map(_outline, _causes(error)))}", ()
    return record
