"""The vocabulary, and the forget and the retain set of an erasure."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

from unlearn.concepts.other_names import (
    MOST_MEANT,
    Unknown,
    key_of,
    misspelled,
    near_thing,
    plain_key,
    same_thing,
    words_of_all,
)
from unlearn.concepts.prompts import TEMPLATES, Concept, plural
from unlearn.errors import ConceptError
from unlearn.files.assets import ASSETS

MAX_CONCEPT_LENGTH = 80
#: Maximum length of a caption: no CLIP reads longer texts, and longer ones in an erasure's file are refused.
MAX_CAPTION_LENGTH = 2000
MAX_CONCEPTS = 128
#: A name in a list: in double quotes, or up to the next comma, semicolon or line break.
SEPARATED = re.compile(r'[^\S\n]*"[^"\n]*"[^\S\n]*(?=[,;\n]|$)|[^,;\n]+')
#: Opening quotes and the closing quotes of each.
QUOTES = {'"': '"', "'": "'", "“": "”", "”": "”", "„": "“”", "‘": "’", "‚": "‘’", "«": "»", "»": "«", "`": "`'"}


@dataclass(frozen=True)
class Vocabulary:
    """An ordered list of concepts, which are the labels and the default retain set, and their prompt templates."""

    concepts: tuple[Concept, ...]
    templates: tuple[str, ...] = TEMPLATES

    @classmethod
    def of(cls, names: Iterable[str], templates: tuple[str, ...] = TEMPLATES) -> Vocabulary:
        """Create a vocabulary of unique ``names`` with synonyms from :func:`concept_of`, except those in ``names``."""
        once: dict[str, str] = {}
        for name in names:
            once.setdefault(name.casefold(), name)
        return cls(
            tuple(
                replace(concept, synonyms=tuple(word for word in concept.synonyms if word.casefold() not in once))
                for concept in map(concept_of, once.values())
            ),
            templates,
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(concept.name for concept in self.concepts)

    @cached_property
    def by_key(self) -> dict[str, Concept]:
        """Concepts as in :attr:`by_name`, but with keys from :func:`key_of`, which ignore spelling variants."""
        return {key_of(name): concept for name, concept in reversed(self.by_name.items())}

    @cached_property
    def by_name(self) -> dict[str, Concept]:
        """Concepts by casefolded name and synonym; a name takes precedence over another concept's synonym."""
        synonyms = {s.casefold(): concept for concept in reversed(self.concepts) for s in concept.synonyms}
        return synonyms | {concept.name.casefold(): concept for concept in self.concepts}

    def without(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return all names except ``names``: the default retain set."""
        gone = {name.casefold() for name in names}
        return tuple(name for name in self.names if name.casefold() not in gone)

    @cached_property
    def _by_plain_key(self) -> dict[str, Concept]:
        """Concepts by :func:`plain_key` of every word that means one of them or is near it."""
        near = {key: known for key, name in words_of_all().items() if (known := self.listed(name))}
        return near | {plain_key(name): concept for name, concept in self.by_name.items()}

    def listed(self, name: str) -> Concept | None:
        """Return the concept with the name or synonym ``name``, ignoring case and hyphens, or None."""
        return self.by_name.get(name.casefold()) or self.by_key.get(key_of(name))

    def find(self, name: str) -> Concept | None:
        """Return the concept that ``name`` means, also in other words or languages (“Hund”), or None."""
        return self.listed(name) or self.listed(same_thing(name))

    def meant(self, name: str) -> tuple[str, ...]:
        """Return the concepts that the unknown word ``name`` may mean, as a kind of one or misspelled; best first."""
        if near := self.find(near_thing(name) or near_thing(same_thing(name))):
            return (near.name,)
        found = dict.fromkeys(self._by_plain_key[key].name for key in misspelled(name, self._by_plain_key))
        return tuple(found)[:MOST_MEANT]

    def unknown(self, name: str) -> Unknown:
        """Return ``name``, which is no concept, with those that it may mean or contains."""
        contained = self.contained_in(name)
        return Unknown(name, self.meant(name), contained.name if contained else "")

    def contained_in(self, phrase: str) -> Concept | None:
        """Return the concept whose name or synonym is the longest part of ``phrase``, whole words only, or None."""
        words = key_of(phrase).split()
        parts = (" ".join(words[i : i + n]) for n in range(len(words) - 1, 0, -1) for i in range(len(words) - n + 1))
        return next((self.by_key[part] for part in parts if part in self.by_key), None)


@lru_cache(maxsize=8)
def load_vocabulary(path: Path = ASSETS / "vocabulary.json") -> Vocabulary:
    """Read a vocabulary: a JSON list of ``{"name", "synonyms", "group", "subgroup"}``."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    return Vocabulary(tuple(Concept(e["name"], tuple(e["synonyms"]), e["group"], e["subgroup"]) for e in entries))


def concept_of(name: str) -> Concept:
    """Return ``name`` as a concept with its synonyms in the bundled vocabulary, or with its plural if it is unknown."""
    known = load_vocabulary().listed(name)
    if known is None:
        return Concept(name, (plural(name),))
    words = (known.name, *known.synonyms)
    return replace(known, name=name, synonyms=tuple(word for word in words if word.casefold() != name.casefold()))


@dataclass(frozen=True)
class Selection:
    """The forget and the retain set of one erasure, with notices for the visitor.

    Two selections are equal if both sets are equal; the other fields follow from them.

    Attributes:
        forget: one :class:`Concept` for each thing to erase.
        retain: plain names.
        notices: sentences for the visitor.
        surroundings: other names to which the edit was fitted, see :mod:`unlearn.erasers.ccup`.
    """

    forget: tuple[Concept, ...]
    retain: tuple[str, ...]
    notices: tuple[str, ...] = field(default=(), compare=False)
    surroundings: tuple[str, ...] = field(default=(), compare=False)

    @property
    def forget_names(self) -> tuple[str, ...]:
        return tuple(concept.name for concept in self.forget)

    def retained_of(self, vocabulary: Vocabulary) -> tuple[tuple[str, ...], list[int]]:
        """Return the retain set as a list of names to process, and the positions to remove from it afterwards.

        If the retain set is the vocabulary without a few names, the whole vocabulary is processed so that its cached
        results serve every erasure.
        """
        kept = set(self.retain)
        removed = [i for i, name in enumerate(vocabulary.names) if name not in kept]
        rest_of_vocabulary = len(removed) + len(kept) == len(vocabulary.names) and len(removed) < len(kept)
        return (vocabulary.names, removed) if rest_of_vocabulary else (self.retain, [])


def unite(selections: Iterable[Selection]) -> Selection:
    """Combine ``selections``: forget what any of them forgets, and retain what any retains and none forgets."""
    parts = tuple(selections)
    forget: dict[str, Concept] = {}
    for concept in (concept for part in parts for concept in part.forget):
        forget.setdefault(concept.name.casefold(), concept)
    retain = dict.fromkeys(name for part in parts for name in part.retain if name.casefold() not in forget)
    around = dict.fromkeys(name for part in parts for name in part.surroundings if name.casefold() not in forget)
    notices = dict.fromkeys(notice for part in parts for notice in part.notices)
    others = tuple(name for name in around if name not in retain)
    return Selection(tuple(forget.values()), tuple(retain), tuple(notices), others)


def parse_names(names: str | Iterable[str], *, what: str = "concept", most: int = MAX_CONCEPTS) -> tuple[str, ...]:
    """Clean a list of names, given as one string with commas or line breaks, or as several. Duplicates are dropped.

    Raises:
        ConceptError: there is no name, there are too many, or a name is too long or has no letters.
    """
    parts = SEPARATED.findall(names) if isinstance(names, str) else list(names)
    cleaned: dict[str, str] = {}
    for part in parts:
        if not isinstance(part, str):
            raise ConceptError(f"A {what} must be text; {part!r} is not.")
        name = clean_name(part, what=what)
        if name:
            cleaned.setdefault(name.casefold(), name)
    if len(cleaned) > most:
        raise ConceptError(f"{len(cleaned)} {what}s are too many at once; name at most {most}.")
    return tuple(cleaned.values())


def clean_name(text: str, *, what: str = "concept") -> str:
    """Clean a name: collapse spaces and ``_``, drop invisible characters and enclosing quotes; "" if nothing is left.

    Raises:
        ConceptError: the name exceeds ``MAX_CONCEPT_LENGTH`` characters or has no letter (an emoji, for example).
    """
    if len(text) > MAX_CONCEPT_LENGTH * 4:
        raise ConceptError(
            f"A {what} of {len(text):,} characters is too long; use a word or a short phrase, "
            f"at most {MAX_CONCEPT_LENGTH} characters."
        )
    folded = unicodedata.normalize("NFKC", text)
    # Format characters (bidi overrides, zero-width joiners) and control characters would make equal-looking names
    # differ.
    visible = "".join(
        " " if c.isspace() or c == "_" else c for c in folded if c.isspace() or unicodedata.category(c)[0] != "C"
    )
    name = " ".join(visible.split())
    while len(name) > 1 and name[-1] in QUOTES.get(name[0], ""):
        name = name[1:-1].strip()
    if not name:
        return ""
    if len(name) > MAX_CONCEPT_LENGTH:
        raise ConceptError(
            f"The {what} “{name[:24]}…” has {len(name)} characters; at most {MAX_CONCEPT_LENGTH} are allowed."
        )
    if not any(c.isalpha() for c in name):
        raise ConceptError(f"The {what} “{name}” has no letters; CLIP reads words, so write it out, such as “cat”.")
    return name


def select(
    forget: str | Iterable[str],
    retain: str | Iterable[str] | None = None,
    *,
    vocabulary: Vocabulary,
    most: int = MAX_CONCEPTS,
) -> Selection:
    """Determine the forget and the retain set.

    Args:
        forget: names to erase; a synonym counts as its concept.
        retain: names to keep; None keeps the rest of the vocabulary.
        vocabulary: the active labels.
        most: maximum number of concepts per erasure.

    Raises:
        ConceptError: nothing to forget, nothing left to retain, a concept in both lists, or an unusable name.
    """
    names = parse_names(forget, most=most)
    if not names:
        raise ConceptError("No concept to erase was given; name at least one, such as “cat”.")
    notices: list[str] = []
    concepts: dict[str, Concept] = {}
    for name in names:
        known = vocabulary.find(name)
        if known is None:
            known = concept_of(name)
            notices.append(str(vocabulary.unknown(name)))
        elif key_of(known.name) != key_of(name):
            notices.append(f"“{name}” is another word for “{known.name}”; that concept is erased.")
        concept = concepts.setdefault(known.name.casefold(), known)
        if vocabulary.listed(name) is None and name != concept.name:  # a word that no erasure of the concept reads
            concepts[known.name.casefold()] = replace(concept, synonyms=(*concept.synonyms, name))
    forgotten = tuple(concepts.values())

    if retain is None:
        kept = vocabulary.without(concepts)
        if not kept:
            raise ConceptError(
                f"All {len(vocabulary.names)} concepts of the vocabulary are to be erased; "
                "leave at least one to retain."
            )
        return Selection(forgotten, kept, tuple(notices))

    kept = parse_names(retain, what="retained concept", most=10_000)
    if not kept:
        raise ConceptError(
            "The retain list is empty; name at least one concept to keep, or leave it to the vocabulary."
        )
    aliases = {word.casefold() for concept in forgotten for word in (concept.name, *concept.synonyms)}
    both = [name for name in kept if name.casefold() in aliases]
    if both:
        raise ConceptError(f"“{both[0]}” is to be erased and to be retained; take it off one of the two lists.")
    return Selection(forgotten, kept, tuple(notices))
