"""Other words for the concept: does one of them still find its pictures? Through the model as the app shows it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from unlearn.attacks.finding import Finding, Row, Verdict, area
from unlearn.attacks.suspect import Suspect
from unlearn.concepts import VERBATIM, Concept, plural, prompts, surface_forms
from unlearn.encoders import TextImageEncoder, class_embeddings, similarity
from unlearn.evaluation.neighbours import nearest_neighbours
from unlearn.gallery import Gallery, image_features

GROUP, MEASURE, CHANCE = "words", "ranks above other pictures", 0.5
#: Sentences that no erasure is fitted on.
PARAPHRASES = (
    "there is a {} in this picture",
    "a small {}",
    "my favourite {}",
    "an old photo of a {}",
    "a {} and nothing else",
    "the word {}",
)
#: Names of things that most galleries show, in German, Spanish and French.
TRANSLATIONS = {
    "apple": ("Apfel", "manzana", "pomme"),
    "banana": ("Banane", "plátano", "banane"),
    "bicycle": ("Fahrrad", "bicicleta", "vélo"),
    "bird": ("Vogel", "pájaro", "oiseau"),
    "book": ("Buch", "libro", "livre"),
    "car": ("Auto", "coche", "voiture"),
    "cat": ("Katze", "gato", "chat"),
    "chair": ("Stuhl", "silla", "chaise"),
    "clock": ("Uhr", "reloj", "horloge"),
    "dog": ("Hund", "perro", "chien"),
    "elephant": ("Elefant", "elefante", "éléphant"),
    "fish": ("Fisch", "pez", "poisson"),
    "flower": ("Blume", "flor", "fleur"),
    "guitar": ("Gitarre", "guitarra", "guitare"),
    "horse": ("Pferd", "caballo", "cheval"),
    "house": ("Haus", "casa", "maison"),
    "pizza": ("Pizza", "pizza", "pizza"),
    "rose": ("Rose", "rosa", "rose"),
    "tiger": ("Tiger", "tigre", "tigre"),
    "train": ("Zug", "tren", "train"),
    "tree": ("Baum", "árbol", "arbre"),
    "umbrella": ("Regenschirm", "paraguas", "parapluie"),
}
TYPOS, NEAREST = 4, 3


def attack_words(suspect: Suspect, kind: str) -> Finding:
    """Search the test pictures with other words for the concept; ``kind`` is one of :data:`KINDS`.

    The finding is the wording that tells the concept's pictures best after the edit, of those that did so before.
    """
    source = KINDS[kind]
    templates = VERBATIM if source.sentences else suspect.vocabulary.templates
    rows = [_found(suspect, wording, templates) for wording in dict.fromkeys(source.wordings(suspect))]
    if not rows:
        return Finding(GROUP, kind, MEASURE, chance=CHANCE, meaning="No such words are known for it.")
    worst = max(rows, key=lambda row: (trial(row).verdict != Verdict.NOT_APPLICABLE, abs(row.after - CHANCE)))
    finding = trial(worst, kind, int(_shown(suspect).sum()))
    return replace(finding, rows=tuple(rows)).worded(
        leaked=f"“{worst.name}” still finds its pictures.",
        held=f"{f'“{worst.name}” no longer' if len(rows) == 1 else 'None of them'} finds its pictures as before.",
    )


def trial(row: Row, kind: str = "", n: int = 0) -> Finding:
    """One wording by itself."""
    return Finding(GROUP, kind, MEASURE, row.before, row.after, CHANCE, either_way=True, control=row.control, n=n)


def _found(suspect: Suspect, wording: str, templates: Sequence[str]) -> Row:
    """How often a picture of the concept stands before another when the collection is searched with ``wording``."""
    shown = _shown(suspect)
    before, after, control = (
        area(_scores(model, suspect.test, wording, templates), shown)
        for model in (suspect.original, suspect.edited, suspect.control)
    )
    return Row(wording, before, after, control)


def _scores(model: TextImageEncoder, gallery: Gallery, wording: str, templates: Sequence[str]) -> Tensor:
    return similarity(image_features(model, gallery), class_embeddings(model, [wording], templates))[:, 0]


def _shown(suspect: Suspect) -> Tensor:
    return suspect.test.targets([suspect.concept.name]) == 0


def _synonyms(concept: Concept) -> Sequence[str]:
    return [name for name in concept.synonyms if name != plural(concept.name)]


def _captions(suspect: Suspect) -> Sequence[str]:
    """Captions of the concept's pictures that do not only repeat a template."""
    name = suspect.concept.name
    usual = {prompt.casefold() for prompt in prompts(name)}
    return [p.caption for p in (*suspect.known.own, *suspect.unseen.own) if p.caption.casefold() not in usual]


def typos(word: str, count: int, seed: int = 0) -> list[str]:
    """Up to ``count`` misspellings of ``word``: two letters swapped, one doubled, one left out; none of them twice."""
    chance, found = random.Random(f"{seed} {word}"), dict[str, None]()  # noqa: S311  a fixed choice, not a secret
    for _ in range(20 * count):
        i = chance.randrange(max(1, len(word) - 1))
        head, letter, rest = word[:i], word[i], word[i + 1 :]
        swapped, doubled, left_out = head + rest[:1] + letter + rest[1:], head + 2 * letter + rest, head + rest
        made = chance.choice([swapped, doubled, left_out])
        if made not in ("", word):
            found[made] = None
    return list(found)[:count]


def _translations(concept: Concept) -> Sequence[str]:
    """The name in other languages, but where that is the English word too."""
    english = {form.casefold() for form in surface_forms(concept)}
    return [word for word in TRANSLATIONS.get(concept.name.casefold(), ()) if word.casefold() not in english]


def _hypernyms(concept: Concept) -> Sequence[str]:
    """The words of the groups that the vocabulary lists it under: animal, mammal."""
    return [word for part in (concept.subgroup or concept.group).split("-") for word in [part.strip()] if word]


def _neighbours(suspect: Suspect) -> Sequence[str]:
    own = suspect.concept.name.casefold()
    others = [name for name in suspect.vocabulary.names if name.casefold() != own]
    near = nearest_neighbours(suspect.original, [suspect.concept.name], others, suspect.vocabulary.templates, NEAREST)
    return [neighbour.name for neighbour in near]


def _paraphrases(suspect: Suspect) -> Sequence[str]:
    sentences = [prompt for template in PARAPHRASES for prompt in prompts(suspect.concept.name, (template,))]
    return [*sentences, *_captions(suspect)]


@dataclass(frozen=True)
class Kind:
    """A source of wordings: names, which are read like a class's, or whole sentences, which are read as they are."""

    wordings: Callable[[Suspect], Sequence[str]]
    sentences: bool = False


#: The attacks.
KINDS = {
    "Its name": Kind(lambda suspect: [suspect.concept.name]),
    "Plural": Kind(lambda suspect: [plural(suspect.concept.name)]),
    "Synonyms": Kind(lambda suspect: _synonyms(suspect.concept)),
    "Paraphrases": Kind(_paraphrases, sentences=True),
    "Typos": Kind(lambda suspect: typos(suspect.concept.name, TYPOS, suspect.seed)),
    "Other languages": Kind(lambda suspect: _translations(suspect.concept)),
    "Wider words": Kind(lambda suspect: _hypernyms(suspect.concept)),
    "Neighbours": Kind(_neighbours),
}
