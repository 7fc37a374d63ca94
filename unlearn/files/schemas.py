"""Validation of untrusted files: each is parsed once, in this module, and only valid values are returned.

There is one strict reader for JSON, one check of values against a schema (pydantic, strict), and one reader for tensors
that inspects the header before allocating memory. Invalid input raises :class:`RefusedError`, whose message is the end
of a sentence: the caller adds the file's name and raises an error from :mod:`unlearn.errors`.
"""

from __future__ import annotations

import json
import math
import stat
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open

from unlearn import late
from unlearn.errors import UnlearnError

if TYPE_CHECKING:
    from torch import Tensor

MOST_JSON_BYTES, MOST_DEPTH = 16_000_000, 32
#: Maximum number of brackets and commas: an empty list takes two bytes in a file and a hundred in memory.
MOST_MARKS = 1_000_000
#: Limits of a safetensors header: one entry per tensor, and the record of an edit.
MOST_HEADER_BYTES, MOST_TENSORS, MOST_DIMENSIONS = MOST_JSON_BYTES, 10_000, 8
#: Largest whole number in a record: numbers fit into 64 bits in any language.
LARGEST = 2**63 - 1
#: Makes a standard dataclass a strict schema: ``__pydantic_config__: ClassVar[Any] = STRICT``.
STRICT = ConfigDict(strict=True, extra="forbid", frozen=True)

T = TypeVar("T")


class RefusedError(ValueError):
    """Input that is not valid; the message says where and is the end of a sentence."""


class Schema(BaseModel):
    """Base of the schemas: values are not converted to other types, and unknown keys are refused."""

    model_config = STRICT


# JSON


def parse_json(text: str | bytes, *, most_bytes: int = MOST_JSON_BYTES, file_names: bool = False) -> Any:
    """Parse one JSON value that every JSON parser would read in the same way.

    NaN, infinities, numbers beyond 64 bits, duplicate keys, text that is not Unicode, more than ``MOST_DEPTH`` levels,
    more than ``MOST_MARKS`` commas and brackets and more than ``most_bytes`` are refused.

    Args:
        text: the JSON, as UTF-8 if bytes.
        file_names: allow strings that :func:`os.fsdecode` returns for a file name that is not UTF-8.

    Raises:
        RefusedError: the JSON is invalid or exceeds a limit.
    """
    if len(text) > most_bytes:
        raise RefusedError(f"it is longer than {most_bytes:,} bytes")
    try:
        text = text if isinstance(text, str) else text.decode()
        if sum(map(text.count, "[{,")) > MOST_MARKS:
            raise RefusedError(f"it holds more than {MOST_MARKS:,} values")
        value = _DECODER.decode(text)
    except RecursionError:
        raise RefusedError(f"it is nested more than {MOST_DEPTH} levels deep") from None
    except UnicodeDecodeError:
        raise RefusedError("it is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise RefusedError(f"it is not JSON ({error.msg}, character {error.pos:,})") from None
    except ValueError as error:
        raise RefusedError(str(error)) from None
    _walk(value, "surrogateescape" if file_names else "strict")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it gives one key twice")
    return found


def _whole(digits: str) -> int:
    if len(digits) > 20 or not -LARGEST <= (number := int(digits)) <= LARGEST:
        raise ValueError("it holds a whole number of more than 64 bits")
    return number


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError("it holds a number that is not finite")
    return number


#: Created once: creating a decoder takes longer than reading a line.
_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_int=_whole, parse_float=_finite, parse_constant=_finite)


def _walk(value: Any, surrogates: str) -> None:
    """Raise unless all strings in ``value`` can be encoded and its nesting is within ``MOST_DEPTH``."""
    level = [value]
    try:
        for _ in range(MOST_DEPTH + 1):
            below: list[Any] = []
            for item in level:
                if isinstance(item, str):
                    if not item.isascii():
                        item.encode(errors=surrogates)
                elif isinstance(item, list):
                    below += item
                elif isinstance(item, dict):
                    below += item.keys()
                    below += item.values()
            if not below:
                return
            level = below
    except UnicodeEncodeError:
        raise RefusedError("it holds text that is not Unicode (half of a surrogate pair)") from None
    raise RefusedError(f"it is nested more than {MOST_DEPTH} levels deep")


def read_bytes(path: Path, *, most: int = MOST_JSON_BYTES) -> bytes:
    """Read the content of a regular file of at most ``most`` bytes.

    Raises:
        RefusedError: the file does not exist, cannot be read, or is larger.
    """
    if size_of(path) > most:
        raise RefusedError(f"it is longer than {most:,} bytes")
    try:
        return path.read_bytes()
    except OSError as error:
        raise RefusedError(f"it cannot be read ({error})") from None


def size_of(path: Path) -> int:
    """Return the size in bytes of a regular file; reading a pipe or a device might never end.

    Raises:
        RefusedError: there is no regular file at ``path``.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise RefusedError(f"it cannot be read ({error})") from None
    if not stat.S_ISREG(found.st_mode):
        raise RefusedError(f"“{path.name}” is not a file")
    return found.st_size


# Values


def check(schema: type[T], value: Any) -> T:
    """Validate a JSON ``value`` against ``schema``: a :class:`Schema` or a :data:`STRICT` dataclass.

    Raises:
        RefusedError: the value does not fit; the message names the place.
        UnlearnError: a validator of the schema rejects the value with its own message.
    """
    try:
        # In strict mode a dataclass is created from JSON only, not from a dictionary.
        adapter = _adapter(cast(Any, schema))
        valid: T = adapter.validate_json(json.dumps(value)) if is_dataclass(schema) else adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, UnlearnError):
            raise cause from None
        where = ".".join(str(part)[:40] for part in first["loc"][:8])
        said = str(cause) if cause else first["msg"][:1].lower() + first["msg"][1:]
        raise RefusedError(f"{where}: {said}" if where else said) from None
    return valid


@lru_cache(maxsize=64)
def _adapter(schema: Any) -> TypeAdapter[Any]:
    return TypeAdapter(schema)


def inner_path(path: str) -> str:
    """Return ``path`` if it is relative and stays inside its folder.

    Raises:
        ValueError: the path leads out of the folder, or is not a valid file name.
    """
    parts = path.split("/")
    if path.strip("./") == "" or not parts[0] or ".." in parts or "\0" in path or len(path) > MOST_PATH:
        raise ValueError("it names a file outside of its folder")
    return path


MOST_PATH = 4096
ShortText = Annotated[str, Field(max_length=1000)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}\z")]
InnerPath = Annotated[str, AfterValidator(inner_path)]


# Tensors


class _Entry(Schema):
    """The entry of a tensor in a safetensors header."""

    dtype: Annotated[str, Field(max_length=16)]
    shape: Annotated[list[Annotated[int, Field(ge=0, le=LARGEST)]], Field(max_length=MOST_DIMENSIONS)]
    data_offsets: Annotated[list[Annotated[int, Field(ge=0, le=LARGEST)]], Field(min_length=2, max_length=2)]


@dataclass(frozen=True)
class TensorFile:
    """A safetensors file with a validated header, whose tensors have not been read yet.

    Attributes:
        metadata: texts in the header.
        shapes: shapes of the tensors, by name.
        types: data types of the tensors in safetensors' names, by name.
    """

    path: Path
    metadata: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    types: Mapping[str, str]

    @classmethod
    def open(cls, path: Path, allowed: Collection[str] = ("F32",)) -> TensorFile:
        """Read the header of the file at ``path``; its tensors must have one of the ``allowed`` types.

        Raises:
            RefusedError: the file is not such a file.
        """
        size = size_of(path)
        try:
            with path.open("rb") as file:
                start = file.read(8)
                length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
                if length > min(MOST_HEADER_BYTES, size - 8):
                    raise RefusedError("it is not a safetensors file that can be read (its header does not fit)")
                header = parse_json(file.read(length), most_bytes=MOST_HEADER_BYTES)
        except OSError as error:
            raise RefusedError(f"it cannot be read ({error})") from None
        if not isinstance(header, dict) or len(header) > MOST_TENSORS:
            raise RefusedError("it is not a safetensors file that can be read (its header is no list of tensors)")
        metadata = header.pop("__metadata__", {})
        if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
            raise RefusedError("its metadata is not text")
        entries = {name: check(_Entry, entry) for name, entry in header.items()}
        types = {name: entry.dtype for name, entry in entries.items()}
        if other := set(types.values()) - set(allowed):
            raise RefusedError(f"it holds numbers of type {min(other)}, where they must be {' or '.join(allowed)}")
        if any(entry.data_offsets[1] > size - 8 - length for entry in entries.values()):
            raise RefusedError("it is not a safetensors file that can be read (it holds fewer bytes than it declares)")
        return cls(path, metadata, {name: tuple(entry.shape) for name, entry in entries.items()}, types)

    def load(self) -> dict[str, Tensor]:
        """Read all tensors into memory; later changes to the file do not affect them.

        Raises:
            RefusedError: the file is damaged, or a value in it is not finite.
        """
        try:
            with safe_open(self.path, framework="pt") as file:
                tensors = {name: file.get_tensor(name).clone() for name in self.shapes}
        except (OSError, SafetensorError) as error:
            raise RefusedError(f"it is not a safetensors file that can be read ({error})") from None
        if not all(bool(late.torch.isfinite(tensor).all()) for tensor in tensors.values()):
            raise RefusedError("it holds numbers that are not finite")
        return tensors
