"""A concept in writing: its name, plural and synonyms, and the prompts around them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

#: Prompt templates; a class embedding is the mean over them (Radford et al. 2021, section 3.1.4).
TEMPLATES = ("{}", "a {}", "a photo of a {}", "a drawing of a {}", "a picture of a {}", "an icon of a {}")
#: The template for texts that already are sentences.
VERBATIM = ("{}",)


@dataclass(frozen=True)
class Concept:
    """A concept with its name, its synonyms (including the plural), and its group in the vocabulary."""

    name: str
    synonyms: tuple[str, ...] = ()
    group: str = ""
    subgroup: str = ""


def plural(name: str) -> str:
    """Return a regular English plural for a word not in the vocabulary: cat → cats, fox → foxes, berry → berries."""
    if re.search(r"(s|x|z|ch|sh)$", name):
        return name + "es"
    if re.search(r"[^aeiou]y$", name):
        return name[:-1] + "ies"
    return name + "s"


def surface_forms(concept: Concept, *, synonyms: bool = True) -> tuple[str, ...]:
    """Return the written forms of ``concept``: its name, and with ``synonyms`` its plural and other names."""
    return (concept.name, *concept.synonyms) if synonyms else (concept.name,)


def prompts(name: str, templates: Sequence[str] = TEMPLATES) -> list[str]:
    """Put ``name`` into every template, with “an” before a vowel."""
    return [re.sub(r"\b([Aa]) (?=[aeiouAEIOU])", r"\1n ", template.format(name)) for template in templates]
