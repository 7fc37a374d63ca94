"""Write ``assets/vocabulary.json`` from ``concepts.txt`` and emojibase's labels: every concept, its synonyms, its group."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache

from fetch import ASSETS, HERE, LABELS, emojibase, package_dir


@dataclass(frozen=True)
class Concept:
    """A line of ``concepts.txt``; ``labels`` are the emoji that show it."""

    name: str
    labels: tuple[str, ...]
    synonyms: tuple[str, ...]


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


#: Concepts to leave out, commas between: what is trained then was never taught them.
WITHOUT = _split(os.environ.get("POCKET_WITHOUT", ""))


@cache
def concepts() -> tuple[Concept, ...]:
    """All concepts but :data:`WITHOUT`, in the order of the file."""
    found = []
    for line in (HERE / "concepts.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            head, _, synonyms = line.partition("|")
            name, _, labels = head.partition("=")
            found.append(Concept(name.strip(), _split(labels) or (name.strip(),), _split(synonyms)))
    if unknown := set(WITHOUT) - {concept.name for concept in found}:
        raise ValueError(f"POCKET_WITHOUT names what concepts.txt does not have: {', '.join(sorted(unknown))}.")
    return tuple(concept for concept in found if concept.name not in WITHOUT)


UNCOUNTED = frozenset(
    "sheep fish shrimp squid salmon rice salt honey milk coffee tea beer wine soda meat bacon popcorn butter garlic corn "
    "bread cheese chocolate candy spaghetti sushi salad lettuce broccoli rain fire lightning table_tennis bowling dna "
    "french_fries jeans shorts socks gloves glasses sunglasses goggles headphones scissors swords maracas chopsticks "
    "grapes peas pancakes fireworks skis underwear fork_and_knife dice bow_and_arrow toilet_paper soap yarn "
    "lipstick statue_of_liberty noodle_soup binoculars".replace("_", "\0").split()
)
IRREGULAR = {"mouse": "mice", "goose": "geese", "tooth": "teeth", "wolf": "wolves", "leaf": "leaves", "knife": "knives"}


def plural(name: str) -> str | None:
    """English plural of ``name``, or None where people do not say one."""
    if name.replace(" ", "\0") in UNCOUNTED:
        return None
    head, _, last = name.rpartition(" ")
    if last in IRREGULAR:
        last = IRREGULAR[last]
    elif last == "leaf" or last.endswith(("s", "x", "ch", "sh")):
        last += "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        last = f"{last[:-1]}ies"
    elif last in ("tomato", "potato", "mango"):
        last += "es"
    else:
        last += "s"
    return f"{head} {last}".strip()


def vocabulary() -> list[dict[str, str | list[str]]]:
    """Entries of ``vocabulary.json``."""
    groups = json.loads((package_dir(*LABELS) / "meta" / "groups.json").read_text(encoding="utf-8"))
    emoji = {entry["label"]: entry for entry in emojibase()}
    names = {concept.name for concept in concepts()}
    entries: list[dict[str, str | list[str]]] = []
    for concept in concepts():
        entry = emoji[concept.labels[0]]
        more = plural(concept.name)
        synonyms = [*concept.synonyms, *([more] if more else [])]
        entries.append(
            {
                "name": concept.name,
                "synonyms": [s for s in dict.fromkeys(synonyms) if s not in names],
                "group": groups["groups"][str(entry["group"])],
                "subgroup": groups["subgroups"][str(entry["subgroup"])],
            }
        )
    return entries


if __name__ == "__main__":
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in vocabulary())
    (ASSETS / "vocabulary.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{len(concepts())} concepts")
