"""Spelling of names: which of them are the same, and which one a misspelled word may be."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from rapidfuzz import process
from rapidfuzz.distance import OSA

#: Letters of a word for each letter that may be wrong, swapped, missing or added; up to six letters, one may be.
LETTERS_PER_EDIT = 3
#: Words of no more letters are close to many others: only swapped letters count as a misspelling of theirs.
SHORT = 3


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
