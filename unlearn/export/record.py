"""How an erasure was made: the JSON that goes with every file, and back into values that were checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from unlearn.concepts.selection import (
    MAX_CAPTION_LENGTH,
    MAX_CONCEPTS,
    Concept,
    Selection,
    clean_name,
    parse_names,
    unite,
)
from unlearn.errors import ErasureFileError
from unlearn.files.schemas import LARGEST, InnerPath, RefusedError, Schema, Sha256, Text, check, parse_json
from unlearn.finetuning.sources import BUNDLED

#: Words that one erasure may retain, and that one concept may go by; a stranger's file is read up to here.
MAX_RETAINED, MAX_SYNONYMS = 50_000, 256
#: Letters of a vocabulary: a list of one's own, or the classes of a folder.
MAX_VOCABULARY = 1_000_000
#: Methods of a stacked erasure's parts.
STACKED = ("cliperase", "ccup")


@dataclass(frozen=True)
class Record:
    """Method, parameters, concepts, metrics, hashes, versions and seed of one erasure.

    Attributes:
        method: ``ccup``, ``cliperase``, ``stacked`` or ``baseline``.
        model: name of the base model, as ``load_clip`` takes it.
        parameters: fields of the method's settings.
        selection: forget and retain set, and the other names that CCUP was fitted among.
        metrics: what was measured when it was made, any JSON.
        seed: of the run.
        sha256: of the base model's weights (``input``) and of the files written, by their names in the folder.
        versions: of Python and of the packages that made it.
        vocabulary: the words it was made among, as ``--vocabulary`` takes them; "" for the classes of ``pictures``.
        pictures: what it learned from, as ``--images`` takes it; "" for images that only their owner has.
        parts: of a stacked erasure, the records of CLIPErase and of the CCUP on top.
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
    pictures: str = BUNDLED
    parts: tuple[Record, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The record as it stands in ``erasure.json``."""
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
            "pictures": self.pictures,
            "metrics": dict(self.metrics),
            "seed": self.seed,
            "sha256": dict(self.sha256),
            "versions": dict(self.versions),
        } | ({"parts": [part.to_json() for part in self.parts]} if self.parts else {})

    def dumps(self) -> str:
        """The record as JSON.

        Raises:
            ValueError: a number among the metrics is not finite.
        """
        return json.dumps(self.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def with_hashes(self, sha256: Mapping[str, str]) -> Record:
        """The same record, with the hashes of files written since, by their names in its folder."""
        return replace(self, sha256={**self.sha256, **sha256})

    @classmethod
    def loads(cls, text: str | bytes, *, source: str) -> Record:
        """Read what :meth:`dumps` wrote; the words in it are a stranger's and are cleaned like typed ones.

        Raises:
            ErasureFileError: it is not such a record; ``source`` names it in the message.
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
        """What each part erases and retains, or the one edit that this is."""
        return tuple(part.selection for part in self.parts or (self,))


# As it stands in the file. Of a stacked erasure the words of both parts stand together.


_Retained = Annotated[str, Field(min_length=1, max_length=MAX_CAPTION_LENGTH)]


class _Concept(Schema):
    name: Text
    synonyms: Annotated[list[Text], Field(max_length=MAX_SYNONYMS)]
    group: Text
    subgroup: Text


class _Concepts(Schema):
    forget: Annotated[list[_Concept], Field(max_length=len(STACKED) * MAX_CONCEPTS)]
    #: Not cleaned: a folder's classes may be called anything, and of captions each is a class.
    retain: Annotated[list[_Retained], Field(max_length=len(STACKED) * MAX_RETAINED)]
    surroundings: Annotated[list[_Retained], Field(max_length=MAX_RETAINED)] = []  # noqa: RUF012  pydantic copies it


class _Part(Schema):
    format: Literal[1]
    method: Text
    model: Text
    parameters: Annotated[dict[Text, JsonValue], Field(max_length=64)]
    concepts: _Concepts
    vocabulary: Annotated[str, Field(max_length=MAX_VOCABULARY)] = BUNDLED
    pictures: Annotated[str, Field(max_length=4096)] = BUNDLED
    metrics: dict[Text, JsonValue]
    seed: Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
    #: Of files by their names in the folder, of the base model's weights as ``input``.
    sha256: Annotated[dict[InnerPath, Sha256], Field(max_length=1000)]
    versions: Annotated[dict[Text, Text], Field(max_length=64)]


class _Whole(_Part):
    parts: Annotated[list[_Part], Field(max_length=len(STACKED))] = []  # noqa: RUF012  pydantic copies it


def _read(given: _Part, parts: Sequence[Record] = ()) -> Record:
    """A record of what was checked against the schema, its words cleaned."""
    concepts = given.concepts
    selection = Selection(
        tuple(map(_concept, concepts.forget)), tuple(concepts.retain), surroundings=tuple(concepts.surroundings)
    )
    told = {name: getattr(given, name) for name in type(given).model_fields if name in Record.__dataclass_fields__}
    return Record(**told | {"selection": selection, "parts": tuple(parts)})


def _concept(given: _Concept) -> Concept:
    if not (name := clean_name(given.name)):
        raise RefusedError("a concept has a blank name")
    synonyms = parse_names(given.synonyms, what="synonym", most=MAX_SYNONYMS)
    return Concept(name, synonyms, clean_name(given.group), clean_name(given.subgroup))
