"""How an erasure was made: the JSON that goes with every file, and back into values that were checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from unlearn.concepts import MAX_CAPTION_LENGTH, MAX_CONCEPTS, Concept, Selection, clean_name, parse_names
from unlearn.errors import ErasureFileError, InvalidInputError
from unlearn.finetuning.sources import BUNDLED

#: Words that one erasure may retain, and that one concept may go by; a stranger's file is read up to here.
MAX_RETAINED, MAX_SYNONYMS = 50_000, 256
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
        sha256: of the base model's weights (``input``) and of the files written.
        versions: of Python and of the packages that made it.
        vocabulary: the words it was made among, as ``--vocabulary`` takes them; "" for the classes of ``pictures``.
        pictures: what it learned from, as ``--pictures`` takes it; "" for pictures that only their owner has.
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
        return json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n"

    def with_hashes(self, **sha256: str) -> Record:
        """The same record, with the hashes of files written since."""
        return replace(self, sha256={**self.sha256, **sha256})

    @classmethod
    def loads(cls, text: str, *, source: str) -> Record:
        """Read what :meth:`dumps` wrote; the words in it are a stranger's and are cleaned like typed ones.

        Raises:
            ErasureFileError: it is not such a record; ``source`` names it in the message.
            ConceptError: a name in it cannot be used.
        """
        try:
            given = json.loads(text)
            record = replace(_read(given), parts=tuple(map(_read, given.get("parts", ())[: len(STACKED)])))
        except InvalidInputError:
            raise  # a name that cannot be used says so itself
        # RecursionError: JSON nested thousands deep.
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ErasureFileError(f"{source} holds no readable erasure.json ({type(error).__name__}).") from error
        chosen = [part.selection for part in record.parts or (record,)]
        if any(not 1 <= len(s.forget) <= MAX_CONCEPTS or len(s.retain) > MAX_RETAINED for s in chosen):
            raise ErasureFileError(f"{source} names no concept, or more than {MAX_CONCEPTS}, to erase.")
        if tuple(part.method for part in record.parts) != (STACKED if record.method == "stacked" else ()):
            raise ErasureFileError(f"{source} tells of other parts than {' and '.join(STACKED)}.")
        return record


def _read(given: Mapping[str, Any]) -> Record:
    """A record from its JSON, less its parts."""
    concepts = given["concepts"]
    selection = Selection(
        tuple(_concept(entry) for entry in concepts["forget"][: len(STACKED) * MAX_CONCEPTS + 1]),
        tuple(_retained(name) for name in concepts["retain"][: len(STACKED) * MAX_RETAINED + 1]),
        surroundings=tuple(_retained(name) for name in concepts.get("surroundings", ())[:MAX_RETAINED]),
    )
    return Record(
        method=str(given["method"]),
        model=str(given["model"])[:200],
        parameters=dict(given["parameters"]),
        selection=selection,
        metrics=dict(given["metrics"]),
        seed=int(given["seed"]),
        sha256={str(key): str(value) for key, value in given["sha256"].items()},
        versions={str(key): str(value) for key, value in given["versions"].items()},
        vocabulary=str(given.get("vocabulary", BUNDLED)),
        pictures=str(given.get("pictures", BUNDLED)),
    )


def _concept(entry: Mapping[str, Any]) -> Concept:
    return Concept(
        clean_name(entry["name"]) or _refuse(),
        parse_names(entry["synonyms"], what="synonym", most=MAX_SYNONYMS),
        clean_name(entry["group"]),
        clean_name(entry["subgroup"]),
    )


def _retained(name: str) -> str:
    """Not cleaned: a folder's classes may be called anything, and of captions each is a class."""
    return name if isinstance(name, str) and 0 < len(name) <= MAX_CAPTION_LENGTH else _refuse()


def _refuse() -> str:
    raise ValueError("not a name")
