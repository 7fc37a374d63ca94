"""Records of erasures: how each was made, as JSON in every exported file, validated when it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from unlearn.concepts.prompts import Concept
from unlearn.concepts.selection import MAX_CAPTION_LENGTH, MAX_CONCEPTS, Selection, clean_name, parse_names, unite
from unlearn.errors import ErasureFileError
from unlearn.files.schemas import LARGEST, InnerPath, RefusedError, Schema, Sha256, ShortText, check, parse_json
from unlearn.finetuning.sources import BUNDLED

#: Maximum number of retained words and of synonyms per concept in a record; longer lists in a file are refused.
MAX_RETAINED, MAX_SYNONYMS = 50_000, 256
#: Maximum length in characters of a vocabulary: your own list, or the classes of a folder.
MAX_VOCABULARY = 1_000_000
#: Methods of a stacked erasure's parts.
STACKED = ("cliperase", "ccup")


@dataclass(frozen=True)
class Record:
    """Method, parameters, concepts, metrics, hashes, versions and seed of one erasure.

    Attributes:
        method: ``ccup``, ``cliperase``, ``stacked`` or ``baseline``.
        model: name of the base model, as accepted by ``load_clip``.
        parameters: fields of the method's settings.
        selection: forget and retain set, and the other names to which CCUP was fitted.
        metrics: metrics measured when the erasure was made, as JSON.
        seed: seed of the run.
        sha256: hashes of the base model's weights (``input``) and of the written files, by their names in the folder.
        versions: versions of Python and of the packages that made it.
        vocabulary: words used as labels, as accepted by ``--vocabulary``; "" for the classes of ``images``.
        images: images used for fitting, as accepted by ``--images``; "" for images that only their owner has.
        parts: records of CLIPErase and of the CCUP edit on top of it, for a stacked erasure.
    """

    method: str
    model: str
    parameters: Mapping[str, Any]
    selection: Selection
    metrics: Mapping[str, Any]
    seed: int
    sha256: Mapping[str, str]
    versions: Mapping[str, str]
    vocabulary: str = BUNDLED
    images: str = BUNDLED
    parts: tuple[Record, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the record as the content of ``erasure.json``."""
        concepts = {
            "forget": [asdict(concept) for concept in self.selection.forget],
            "retain": list(self.selection.retain),
            "surroundings": list(self.selection.surroundings),
        }
        return {
            "format": 1,
            "method": self.method,
            "model": self.model,
            "parameters": dict(self.parameters),
            "concepts": concepts,
            "vocabulary": self.vocabulary,
            "images": self.images,
            "metrics": dict(self.metrics),
            "seed": self.seed,
            "sha256": dict(self.sha256),
            "versions": dict(self.versions),
        } | ({"parts": [part.to_json() for part in self.parts]} if self.parts else {})

    def dumps(self) -> str:
        """Serialise the record as JSON.

        Raises:
            ValueError: a number among the metrics is not finite.
        """
        return json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def with_hashes(self, sha256: Mapping[str, str]) -> Record:
        """Return the record with the hashes of the written files, by their names in the folder."""
        return replace(self, sha256={**self.sha256, **sha256})

    @classmethod
    def loads(cls, text: str | bytes, *, source: str) -> Record:
        """Parse the output of :meth:`dumps`; its words are not trusted and are cleaned like typed ones.

        Raises:
            ErasureFileError: the text is not such a record; ``source`` names it in the message.
            ConceptError: a name in it cannot be used.
        """
        try:
            given = check(_Whole, parse_json(text))
            record = _read(given, [_read(part) for part in given.parts])
        except RefusedError as error:
            raise ErasureFileError(f"{source} holds no readable erasure.json: {error}.") from error
        parts = record.parts
        if tuple(part.method for part in parts) != (STACKED if record.method == "stacked" else ()):
            raise ErasureFileError(f"{source} tells of other parts than {' and '.join(STACKED)}.")
        if parts and (
            record.selection != unite(part.selection for part in reversed(parts))
            or record.parameters != {part.method: part.parameters for part in parts}
        ):
            raise ErasureFileError(f"{source} tells of other concepts or settings than its parts do.")
        if any(not 1 <= len(s.forget) <= MAX_CONCEPTS or len(s.retain) > MAX_RETAINED for s in record.edits):
            raise ErasureFileError(f"{source} names no concept, or more than {MAX_CONCEPTS}, to erase.")
        return record

    @property
    def edits(self) -> tuple[Selection, ...]:
        """The selection of each part, or the only selection of a simple erasure."""
        return tuple(part.selection for part in self.parts or (self,))


# Schemas of the file. In a stacked erasure, ``concepts`` combines the words of both parts.


_Retained = Annotated[str, Field(min_length=1, max_length=MAX_CAPTION_LENGTH)]


class _Concept(Schema):
    name: ShortText
    synonyms: Annotated[list[ShortText], Field(max_length=MAX_SYNONYMS)]
    group: ShortText
    subgroup: ShortText


class _Concepts(Schema):
    forget: Annotated[list[_Concept], Field(max_length=len(STACKED) * MAX_CONCEPTS)]
    #: Not cleaned: class names of a folder are arbitrary, and for captioned images each caption is a class.
    retain: Annotated[list[_Retained], Field(max_length=len(STACKED) * MAX_RETAINED)]
    surroundings: Annotated[list[_Retained], Field(max_length=MAX_RETAINED)] = []  # noqa: RUF012  pydantic copies it


class _Part(Schema):
    format: Literal[1]
    method: ShortText
    model: ShortText
    parameters: Annotated[dict[ShortText, JsonValue], Field(max_length=64)]
    concepts: _Concepts
    vocabulary: Annotated[str, Field(max_length=MAX_VOCABULARY)] = BUNDLED
    images: Annotated[str, Field(max_length=4096)] = BUNDLED
    metrics: dict[ShortText, JsonValue]
    seed: Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
    #: Hashes of files by their names in the folder; ``input`` is the hash of the base model's weights.
    sha256: Annotated[dict[InnerPath, Sha256], Field(max_length=1000)]
    versions: Annotated[dict[ShortText, ShortText], Field(max_length=64)]


class _Whole(_Part):
    parts: Annotated[list[_Part], Field(max_length=len(STACKED))] = []  # noqa: RUF012  pydantic copies it


def _read(given: _Part, parts: Sequence[Record] = ()) -> Record:
    """Convert a validated record, cleaning its words."""
    concepts = given.concepts
    selection = Selection(
        tuple(map(_concept, concepts.forget)), tuple(concepts.retain), surroundings=tuple(concepts.surroundings)
    )
    values = {name: getattr(given, name) for name in type(given).model_fields if name in Record.__dataclass_fields__}
    return Record(**values | {"selection": selection, "parts": tuple(parts)})


def _concept(given: _Concept) -> Concept:
    if not (name := clean_name(given.name)):
        raise RefusedError("a concept has a blank name")
    synonyms = parse_names(given.synonyms, what="synonym", most=MAX_SYNONYMS)
    return Concept(name, synonyms, clean_name(given.group), clean_name(given.subgroup))
