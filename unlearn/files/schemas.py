"""The border: files that others may have made are read here, once, and what gets past is of the shape it should be.

JSON has one strict reader, values one check against a schema (pydantic, strict), tensors one reader that looks at a
header before anything is allocated. What is refused raises :class:`RefusedError`, whose message ends a sentence: the
caller says which file it was and raises an error of :mod:`unlearn.errors`.
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

from unlearn.errors import UnlearnError

if TYPE_CHECKING:
    from torch import Tensor

MOST_JSON_BYTES, MOST_DEPTH = 16_000_000, 32
#: Brackets and commas: an empty list takes two bytes in a file and a hundred in memory.
MOST_MARKS = 1_000_000
#: A safetensors header: one entry a tensor, and with an edit the record of how it was made.
MOST_HEADER_BYTES, MOST_TENSORS, MOST_DIMENSIONS = MOST_JSON_BYTES, 10_000, 8
#: Whole numbers of a record fit into 64 bits, whatever language reads it.
LARGEST = 2**63 - 1
#: What a stock dataclass needs to be a strict schema: ``__pydantic_config__: ClassVar[Any] = STRICT``.
STRICT = ConfigDict(strict=True, extra="forbid", frozen=True)

T = TypeVar("T")


class RefusedError(ValueError):
    """Something read is not what it should be; the message says where, and ends a sentence."""


class Schema(BaseModel):
    """Base of what is read: no value is converted to another type, and nothing unknown is let in."""

    model_config = STRICT


# JSON


def parse_json(text: str | bytes, *, most_bytes: int = MOST_JSON_BYTES, file_names: bool = False) -> Any:
    """Read one JSON value that every reader would read alike.

    Refused are NaN and infinities, numbers beyond 64 bits, a key given twice, text that is not Unicode, more than
    ``MOST_DEPTH`` levels, more than ``MOST_MARKS`` commas and brackets and more than ``most_bytes``.

    Args:
        text: the JSON, as UTF-8 if bytes.
        file_names: whether strings may hold what :func:`os.fsdecode` makes of a file name that is not UTF-8.

    Raises:
        RefusedError: it is none of that kind.
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


#: Made once: to make one takes longer than to read a line.
_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_int=_whole, parse_float=_finite, parse_constant=_finite)


def _walk(value: Any, surrogates: str) -> None:
    """Nothing, if no string in ``value`` lacks an encoding and nothing lies too deep."""
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
    """The content of a regular file of at most ``most`` bytes.

    Raises:
        RefusedError: there is none, it cannot be read, or it is longer.
    """
    if size_of(path) > most:
        raise RefusedError(f"it is longer than {most:,} bytes")
    try:
        return path.read_bytes()
    except OSError as error:
        raise RefusedError(f"it cannot be read ({error})") from None


def size_of(path: Path) -> int:
    """Bytes of a regular file: a pipe or a device may never end, or never begin.

    Raises:
        RefusedError: there is none.
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
    """``value``, of JSON, as ``schema``: a :class:`Schema` or a dataclass that is :data:`STRICT`.

    Raises:
        RefusedError: it does not fit; the message names the place.
        UnlearnError: a check of the schema's own has a sentence for it.
    """
    try:
        # A strict dataclass is made of JSON only, not of a dictionary.
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
    """``path``, if it is relative and stays in the folder that it is relative to.

    Raises:
        ValueError: it does not, or no file can be called so.
    """
    parts = path.split("/")
    if path.strip("./") == "" or not parts[0] or ".." in parts or "\0" in path or len(path) > MOST_PATH:
        raise ValueError("it names a file outside of its folder")
    return path


MOST_PATH = 4096
Text = Annotated[str, Field(max_length=1000)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}\z")]
InnerPath = Annotated[str, AfterValidator(inner_path)]


# Tensors


class _Entry(Schema):
    """A tensor in a header of safetensors."""

    dtype: Annotated[str, Field(max_length=16)]
    shape: Annotated[list[Annotated[int, Field(ge=0, le=LARGEST)]], Field(max_length=MOST_DIMENSIONS)]
    data_offsets: Annotated[list[Annotated[int, Field(ge=0, le=LARGEST)]], Field(min_length=2, max_length=2)]


@dataclass(frozen=True)
class TensorFile:
    """A safetensors file whose header was read and whose tensors were not.

    Attributes:
        metadata: texts that the file carries.
        shapes: of the tensors, by name.
        types: of their numbers, as safetensors calls them.
    """

    path: Path
    metadata: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    types: Mapping[str, str]

    @classmethod
    def open(cls, path: Path, allowed: Collection[str] = ("F32",)) -> TensorFile:
        """Read the header of the file at ``path``, whose tensors are of the types ``allowed``.

        Raises:
            RefusedError: it is no such file.
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
        """All tensors, in memory of their own: what happens to the file later does not change them.

        Raises:
            RefusedError: the file is damaged, or a number in it is not finite.
        """
        import torch
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="pt") as file:
                tensors = {name: file.get_tensor(name).clone() for name in self.shapes}
        except (OSError, SafetensorError) as error:
            raise RefusedError(f"it is not a safetensors file that can be read ({error})") from None
        if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
            raise RefusedError("it holds numbers that are not finite")
        return tensors
