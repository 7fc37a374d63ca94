"""What a typed word may mean: spellings of a name, other English words, other languages, and words for kinds of it.

An erasure does not read other names, unless a visitor erases one by name: they tell which concept a word means.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rapidfuzz import process
from rapidfuzz.distance import OSA

FILE = Path(__file__).with_name("other_names.json")
#: Languages of the names; the other lists of an entry are English: ``same`` and ``near``.
LANGUAGES = {"de": "German", "es": "Spanish", "fr": "French", "it": "Italian"}
#: Concepts that are offered in place of an unknown word.
MOST_MEANT = 3
#: Letters of a word for each letter that may be wrong, swapped, missing or added; up to six letters, one may be.
LETTERS_PER_EDIT = 3
#: Words of no more letters are close to many others: only swapped letters count as a misspelling of theirs.
SHORT = 3


@dataclass(frozen=True)
class Unknown:
    """A word or phrase that is no concept of the vocabulary, what it may mean, and a concept that it contains."""

    word: str
    meant: tuple[str, ...]
    contained: str = ""

    def __str__(self) -> str:
        """Return what erasing the word comes to, and what to erase instead."""
        return (
            f"“{self.word}” is not in the vocabulary: it is erased by its words alone, and no picture measures it."
            f"{self._goes_too if self.contained else self.did_you_mean}"
        )

    @property
    def _goes_too(self) -> str:
        return f" It contains “{self.contained}”, and to CLIP the two are nearly one: “{self.contained}” goes with it."

    @property
    def did_you_mean(self) -> str:
        return f" Did you mean {' or '.join(f'“{name}”' for name in self.meant)}?" if self.meant else ""


def same_thing(word: str) -> str:
    """Return the English name of what ``word`` names, such as “dog” for “Hund” or “pooch”; "" if none is known."""
    return _by_word("same", *LANGUAGES).get(plain_key(word), "")


def near_thing(word: str) -> str:
    """Return the name of what ``word`` is a kind of or close to, such as “dog” for “poodle”; "" if none is known."""
    return _by_word("near").get(plain_key(word), "")


def words_of_all() -> dict[str, str]:
    """Return the name of what each known word means or is near to, by the word's :func:`plain_key`."""
    return _by_word("near", "same", *LANGUAGES)


def translations(name: str) -> tuple[str, ...]:
    """Return the names of ``name`` in other languages."""
    entry = _entries().get(name.casefold(), {})
    return tuple(word for language in LANGUAGES for word in entry.get(language, ()))


@lru_cache(maxsize=1)
def _entries() -> dict[str, dict[str, Sequence[str]]]:
    return dict(json.loads(FILE.read_text(encoding="utf-8")))


@lru_cache(maxsize=4)
def _by_word(*lists: str) -> dict[str, str]:
    def words() -> Iterator[tuple[str, str]]:
        for name, entry in _entries().items():
            for kind in lists:
                yield from ((plain_key(word), name) for word in entry.get(kind, ()))

    return dict(words())


def key_of(name: str) -> str:
    """Return the common form of names that differ only in case, hyphens or ``_``."""
    return " ".join(re.sub(r"[-_]+", " ", name.casefold()).split())


def plain_key(name: str) -> str:
    """Return :func:`key_of` without accents, which many keyboards lack."""
    decomposed = unicodedata.normalize("NFKD", key_of(name))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def misspelled(word: str, keys: Collection[str]) -> list[str]:
    """Return those of ``keys``, from :func:`plain_key`, of which ``word`` may be a misspelling, closest first."""
    key = plain_key(word)
    edits = max(1, (len(key) - 1) // LETTERS_PER_EDIT)
    found = process.extract(key, list(keys), scorer=OSA.distance, score_cutoff=edits, limit=None)
    return [other for other, *_ in found if len(key) > SHORT or sorted(other) == sorted(key)]
