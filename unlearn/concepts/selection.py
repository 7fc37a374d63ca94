"""Words: the vocabulary, what is to be forgotten, what is to be retained, and how both are written as prompts."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property, lru_cache
from pathlib import Path

from unlearn.errors import ConceptError
from unlearn.files.assets import ASSETS

#: Sentences a class name is put into; a class is the mean of them (Radford et al. 2021, section 3.1.4).
TEMPLATES = ("{}", "a {}", "a photo of a {}", "a drawing of a {}", "a picture of a {}", "an icon of a {}")
#: For what is a sentence already.
VERBATIM = ("{}",)
MAX_CONCEPT_LENGTH = 80
#: A caption may be as long as this: no CLIP reads on so far, and no file of an erasure is read further.
MAX_CAPTION_LENGTH = 2000
MAX_CONCEPTS = 128
#: A name in a list: in double quotes, or up to the next comma, semicolon or line.
SEPARATED = re.compile(r'[^\S\n]*"[^"\n]*"[^\S\n]*(?=[,;\n]|$)|[^,;\n]+')
#: Quotes that open, and what closes each of them.
QUOTES = {'"': '"', "'": "'", "“": "”", "”": "”", "„": "“”", "‘": "’", "‚": "‘’", "«": "»", "»": "«", "`": "`'"}


@dataclass(frozen=True)
class Concept:
    """A thing with one name, the other names it goes by (its plural among them), and the group it is listed under."""

    name: str
    synonyms: tuple[str, ...] = ()
    group: str = ""
    subgroup: str = ""


@dataclass(frozen=True)
class Vocabulary:
    """An ordered list of concepts, the labels offered and by default what is retained, and the sentences for them."""

    concepts: tuple[Concept, ...]
    templates: tuple[str, ...] = TEMPLATES

    @classmethod
    def of(cls, names: Iterable[str], templates: tuple[str, ...] = TEMPLATES) -> Vocabulary:
        """``names``, each once, as :func:`concept_of` knows them; what is a name here is nobody's synonym."""
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
        """As :attr:`by_name`, of names as people write them: see :func:`key_of`."""
        return {key_of(name): concept for name, concept in reversed(self.by_name.items())}

    @cached_property
    def by_name(self) -> dict[str, Concept]:
        """Every name and synonym, casefolded, to its concept; a name wins over another concept's synonym."""
        synonyms = {s.casefold(): concept for concept in reversed(self.concepts) for s in concept.synonyms}
        return synonyms | {concept.name.casefold(): concept for concept in self.concepts}

    def without(self, names: Iterable[str]) -> tuple[str, ...]:
        """All names but ``names``: what is retained where nothing else is asked for."""
        gone = {name.casefold() for name in names}
        return tuple(name for name in self.names if name.casefold() not in gone)

    def find(self, name: str) -> Concept | None:
        """The concept that goes by ``name``, also where one of them has a hyphen and the other none; or None."""
        return self.by_name.get(name.casefold()) or self.by_key.get(key_of(name))

    def closest(self, name: str) -> str:
        """The name that ``name`` may be a misspelling of, or ""."""
        alike = get_close_matches(name.casefold(), self.by_name, n=1, cutoff=0.6)
        return self.by_name[alike[0]].name if alike else ""


@lru_cache(maxsize=8)
def load_vocabulary(path: Path = ASSETS / "vocabulary.json") -> Vocabulary:
    """Read a vocabulary: a JSON list of ``{"name", "synonyms", "group", "subgroup"}``."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    return Vocabulary(tuple(Concept(e["name"], tuple(e["synonyms"]), e["group"], e["subgroup"]) for e in entries))


def key_of(name: str) -> str:
    """What names that differ in case, hyphens or ``_`` alone have in common."""
    return " ".join(re.sub(r"[-_]+", " ", name.casefold()).split())


def match_names(names: Iterable[str], classes: Vocabulary) -> tuple[tuple[str, ...], list[str]]:
    """``names`` as ``classes`` spell them, and a sentence for each that is none of them."""
    matched: dict[str, None] = {}
    notices = []
    for name in names:
        known = classes.find(name)
        matched[known.name if known else name] = None
        if known is None:
            notices.append(f"“{name}” is none of the classes, so no picture counts as it.{_meant(name, classes)}")
    return tuple(matched), notices


def _meant(name: str, vocabulary: Vocabulary) -> str:
    closest = vocabulary.closest(name)
    return f" Did you mean “{closest}”?" if closest else ""


def concept_of(name: str) -> Concept:
    """``name`` with the other words that the bundled vocabulary has for it, or with its plural where it has none."""
    known = load_vocabulary().find(name)
    if known is None:
        return Concept(name, (plural(name),))
    words = (known.name, *known.synonyms)
    return replace(known, name=name, synonyms=tuple(word for word in words if word.casefold() != name.casefold()))


@dataclass(frozen=True)
class Selection:
    """The forget and the retain set of one erasure, and what the visitor should know about them.

    Two selections are equal where both sets are; the other fields follow from these.

    Attributes:
        forget: one :class:`Concept` a thing to erase.
        retain: plain names.
        notices: sentences for the visitor.
        surroundings: other names that the edit was fitted among, see :mod:`unlearn.erasers.ccup`.
    """

    forget: tuple[Concept, ...]
    retain: tuple[str, ...]
    notices: tuple[str, ...] = field(default=(), compare=False)
    surroundings: tuple[str, ...] = field(default=(), compare=False)

    @property
    def forget_names(self) -> tuple[str, ...]:
        return tuple(concept.name for concept in self.forget)

    def retained_of(self, vocabulary: Vocabulary) -> tuple[tuple[str, ...], list[int]]:
        """The retain set as names to work on once, and the positions of those to take out again.

        "The vocabulary less a few" is worked on whole, whatever is erased, so that the work is shared.
        """
        kept = set(self.retain)
        removed = [i for i, name in enumerate(vocabulary.names) if name not in kept]
        rest_of_vocabulary = len(removed) + len(kept) == len(vocabulary.names) and len(removed) < len(kept)
        return (vocabulary.names, removed) if rest_of_vocabulary else (self.retain, [])


def unite(selections: Iterable[Selection]) -> Selection:
    """What any of ``selections`` forgets, and what any retains of the rest."""
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
    """Clean a list of names: one string (commas or lines separate), or several. Duplicates are dropped.

    Raises:
        ConceptError: nothing is named, too much is named, or a name is too long or has no letters in it.
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
    """One name with white space and ``_`` folded, invisible characters and the quotes around it dropped; or "".

    Raises:
        ConceptError: longer than ``MAX_CONCEPT_LENGTH`` characters, or no letter in it (an emoji, say).
    """
    if len(text) > MAX_CONCEPT_LENGTH * 4:
        raise ConceptError(
            f"A {what} of {len(text):,} characters is too long; use a word or a short phrase, "
            f"at most {MAX_CONCEPT_LENGTH} characters."
        )
    folded = unicodedata.normalize("NFKC", text)
    # Format characters (bidi overrides, zero-width joiners) and controls would make two equal-looking names differ.
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
    """Settle what is forgotten and what is retained.

    Args:
        forget: names to erase; a synonym stands for its concept.
        retain: names to keep; None keeps the rest of the vocabulary.
        vocabulary: the labels in use.
        most: how many concepts one erasure may name.

    Raises:
        ConceptError: nothing to forget, nothing left to retain, a concept on both lists, or an unusable name.
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
            notices.append(
                f"“{name}” is not in the vocabulary: it is erased by its words alone, and no picture measures it."
                + _meant(name, vocabulary)
            )
        elif key_of(known.name) != key_of(name):
            notices.append(f"“{name}” is another word for “{known.name}”; that concept is erased.")
        concepts.setdefault(known.name.casefold(), known)
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


def plural(name: str) -> str:
    """A regular English plural, to widen a word that the vocabulary lacks: cat → cats, fox → foxes, berry → berries."""
    if re.search(r"(s|x|z|ch|sh)$", name):
        return name + "es"
    if re.search(r"[^aeiou]y$", name):
        return name[:-1] + "ies"
    return name + "s"


def surface_forms(concept: Concept, *, synonyms: bool = True) -> tuple[str, ...]:
    """The ways ``concept`` is written: its name, and with ``synonyms`` its plural and other names."""
    return (concept.name, *concept.synonyms) if synonyms else (concept.name,)


def prompts(name: str, templates: Sequence[str] = TEMPLATES) -> list[str]:
    """``name`` put into every template, with “an” before a vowel."""
    return [re.sub(r"\b([Aa]) (?=[aeiouAEIOU])", r"\1n ", template.format(name)) for template in templates]
