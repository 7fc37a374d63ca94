"""Errors that this package raises on purpose, as one tree.

UnlearnError
├── InvalidInputError (ValueError)  an input that cannot be used; the message says what is allowed
│   ├── ConceptError            a concept, label or retain list
│   ├── ParameterError          a number or a choice: strength, λ, μ, steps, side
│   ├── ImageError            an upload, a folder of images or an index of them
│   └── ErasureFileError        a saved erasure that does not fit
├── ModelError                  a model cannot be loaded, or does not support the requested edit
├── BusyError                   the app has too much to do at the moment; the same request may succeed later
└── JobError                    a background run ended early
        └── OutOfTimeError          it exceeded the time limit of a run

Messages are complete sentences written for the visitor, and the screen shows them unchanged. :func:`lacking` gives
the sentence for a machine without memory, disk space or an optional package.
"""

import errno

#: Error numbers: no space left, quota exceeded, file larger than allowed.
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
#: Packages that are optional, with the extra of ``unlearn-clip`` that installs each.
EXTRAS = {
    "accelerate": "training",
    "concept_erasure": "leace",
    "datasets": "datasets",
    "diffusers": "diffusion",
    "faiss": "index",
    "peft": "training",
    "pyarrow": "datasets",
}


class UnlearnError(Exception):
    """Base of all errors that this package raises on purpose."""


class InvalidInputError(UnlearnError, ValueError):
    """An argument that cannot be used."""


class ConceptError(InvalidInputError):
    """A concept, a label or a retain list that cannot be used."""


class ParameterError(InvalidInputError):
    """A number or a choice outside the allowed range."""


class ImageError(InvalidInputError):
    """An image, a folder of images or an index of them that cannot be read."""


class ErasureFileError(InvalidInputError):
    """A saved erasure that is damaged or belongs to another model."""


class ModelError(UnlearnError):
    """A model that cannot be loaded, or that does not support an edit."""


class BusyError(UnlearnError):
    """Something that is unavailable now but may be available later."""


class JobError(UnlearnError):
    """A background run that ended before its result."""


class OutOfTimeError(JobError):
    """A run that reached its time limit; a run with a partial result may catch this and return that result."""


def lacking(error: BaseException) -> str:
    """Return a sentence that names what the machine lacks: memory, disk space or an optional package; else ""."""
    # torch's error is recognised by its class name because this module must not import torch.
    out_of_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if out_of_memory or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error)):
        return "There was not enough memory for this; ask for less at once, or try again later."
    # safetensors is written in Rust: its errors carry the operating system's error number only in their text.
    if getattr(error, "errno", None) in DISK_FULL or any(f"os error {number}" in str(error) for number in DISK_FULL):
        return "There is no room on the disk for this; try again once there is."
    package = str(error.name).partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if package in EXTRAS:
        return f"This needs the package {package}: `pip install 'unlearn-clip[{EXTRAS[package]}]'`."
    return ""


def require_fraction(name: str, value: float) -> float:
    """Return ``value`` if it is in [0, 1], else raise.

    Raises:
        ParameterError: ``value`` is not a number from 0 to 1 (NaN included).
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise ParameterError(f"{name} is {value!r}; it must be a number from 0 to 1.")
    return float(value)


def require_positive(name: str, value: float, *, largest: float, zero_allowed: bool = False) -> float:
    """Return ``value`` if it is a finite number in (0, largest], or [0, largest] with ``zero_allowed``.

    Raises:
        ParameterError: ``value`` is not such a number (NaN and infinity included).
    """
    number = not isinstance(value, bool) and isinstance(value, int | float)
    if not number or not (0.0 <= value <= largest) or (value == 0 and not zero_allowed):
        lowest = "from 0" if zero_allowed else "above 0 and"
        raise ParameterError(f"{name} is {value!r}; it must be a number {lowest} up to {largest:g}.")
    return float(value)


def require_whole(name: str, value: int, *, lowest: int = 1, largest: int) -> int:
    """Return ``value`` if it is a whole number from ``lowest`` to ``largest``.

    Raises:
        ParameterError: ``value`` is not such a number.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= largest:
        raise ParameterError(f"{name} is {value!r}; it must be a whole number from {lowest} to {largest:,}.")
    return value


def require_choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """Return ``value`` if it is one of ``allowed``.

    Raises:
        ParameterError: ``value`` is not among them.
    """
    if value not in allowed:
        raise ParameterError(f"{name} is {value!r}; choose one of {', '.join(allowed)}.")
    return value
