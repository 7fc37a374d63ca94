"""Search with other words for the concept, through the model as the app shows it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unlearn.attacks.finding import Finding, Row, auroc, auroc_either_end, mean
from unlearn.attacks.groups import AUROC_EITHER_END, Group
from unlearn.attacks.split import Split
from unlearn.attacks.target import AttackTarget
from unlearn.clip.embeddings import similarity
from unlearn.clip.encoders import TextImageEncoder
from unlearn.concepts.other_names import translations
from unlearn.concepts.prompts import VERBATIM, Concept, plural, prompts, surface_forms
from unlearn.evaluation.neighbours import nearest_neighbours

#: Templates that no erasure is fitted on.
PARAPHRASES = (
    "there is a {} in this picture",
    "a small {}",
    "my favourite {}",
    "an old photo of a {}",
    "a {} and nothing else",
    "the word {}",
)
TYPOS, NEAREST = 4, 3
#: Names of other things that chance is measured with, and the number of random draws of them.
UNRELATED_NAMES, DRAWS = 64, 50


def attack_words(target: AttackTarget, kind: str) -> Finding:
    """Search with other words for the concept; ``kind`` is one of :data:`WORD_KINDS`.

    Of several wordings the attacker takes the one that separates the known images best, from the better end of the
    order. Any word separates a few images of one kind from others to some degree, so chance is measured: it is the
    result of the same procedure on the original with as many names of other things.
    """
    source = WORD_KINDS[kind]
    wordings = tuple(dict.fromkeys(source.wordings(target)))
    group = Group.RELATED if kind in Group.RELATED.attacks else Group.WORDS
    if not wordings:
        return Finding(group, kind, AUROC_EITHER_END, meaning="No such words are known for it.")
    templates = VERBATIM if source.sentences else target.vocabulary.templates
    models = (target.original, target.edited, target.control)
    before, after, control = (_found(model, target, wordings, templates) for model in models)
    rows = tuple(
        Row(wording, *(found.aurocs[i] for found in (before, after, control)), from_end=after.from_end[i])
        for i, wording in enumerate(wordings)
    )
    best = rows[after.best]
    finding = Finding(
        group,
        kind,
        AUROC_EITHER_END,
        before.aurocs[before.best],
        best.after,
        chance=chance_level(target, len(wordings)),
        from_end=best.from_end,
        control=control.aurocs[control.best],
        rows=rows,
        n=target.n,
        others=target.others,
    )
    return finding.worded(
        leaked=f"“{best.name}” still finds its pictures.",
        held=f"{f'“{best.name}” no longer' if len(rows) == 1 else 'None of them'} finds its pictures as before.",
    )


@dataclass(frozen=True)
class ByWording:
    """Results of the wordings with one model, each read from the end of the order that is better on the known images.

    Attributes:
        known: AUROC of each wording on the known images.
        aurocs: AUROC of each wording on the unseen images.
        from_end: whether each was read from the end of the order.
    """

    known: tuple[float, ...]
    aurocs: tuple[float, ...]
    from_end: tuple[bool, ...]

    @property
    def best(self) -> int:
        """Return the index of the wording that an attacker would take."""
        return max(range(len(self.known)), key=self.known.__getitem__)


def _found(
    model: TextImageEncoder, target: AttackTarget, wordings: Sequence[str], templates: Sequence[str]
) -> ByWording:
    texts = model.text_features(wordings, templates)
    known, unseen = (similarity(texts, _images(model, split)) for split in (target.known, target.unseen))
    own, positive = target.known.positive, target.unseen.positive
    read = [auroc_either_end(row, own, new, positive) for row, new in zip(known, unseen, strict=True)]
    aurocs, from_end = zip(*read, strict=True)
    return ByWording(tuple(max(found := auroc(row, own), 1 - found) for row in known), aurocs, from_end)


def _images(model: TextImageEncoder, split: Split) -> Tensor:
    """Return the embeddings of a split's images, the concept's own first."""
    return torch.cat([model.image_features(split.own), model.image_features(split.some)[split.others]])


def chance_level(target: AttackTarget, n: int) -> float:
    """Return the AUROC that ``n`` names of other things reach on the original, chosen as in :func:`attack_words`."""
    chance = random.Random(target.seed)  # noqa: S311  a fixed choice, not a secret
    others = target.vocabulary.without(surface_forms(target.concept))
    unrelated = chance.sample(others, min(UNRELATED_NAMES, len(others)))
    if not unrelated:
        return 0.5
    found = _found(target.original, target, unrelated, target.vocabulary.templates)
    drawn = [chance.sample(range(len(unrelated)), min(n, len(unrelated))) for _ in range(DRAWS)]
    return mean([found.aurocs[max(some, key=found.known.__getitem__)] for some in drawn])


def _synonyms(concept: Concept) -> Sequence[str]:
    return [name for name in concept.synonyms if name != plural(concept.name)]


def _captions(target: AttackTarget) -> Sequence[str]:
    """Return the captions of the concept's images that do not only repeat a template."""
    name = target.concept.name
    usual = {prompt.casefold() for prompt in prompts(name)}
    return [p.caption for p in (*target.known.own, *target.unseen.own) if p.caption.casefold() not in usual]


def typos(word: str, count: int, seed: int = 0) -> list[str]:
    """Return up to ``count`` different misspellings of ``word``: two letters swapped, one doubled, one left out."""
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
    """Return the name in other languages, leaving out those equal to the English word."""
    english = {form.casefold() for form in surface_forms(concept)}
    return [word for word in translations(concept.name) if word.casefold() not in english]


def _hypernyms(concept: Concept) -> Sequence[str]:
    """Return the names of the groups that the vocabulary lists the concept under: animal, mammal."""
    return [word for part in (concept.subgroup or concept.group).split("-") for word in [part.strip()] if word]


def _neighbours(target: AttackTarget) -> Sequence[str]:
    near = nearest_neighbours(target.original, [target.concept.name], target.vocabulary, NEAREST)
    return [neighbour.name for neighbour in near]


def _paraphrases(target: AttackTarget) -> Sequence[str]:
    sentences = [prompt for template in PARAPHRASES for prompt in prompts(target.concept.name, (template,))]
    return [*sentences, *_captions(target)]


@dataclass(frozen=True)
class WordKind:
    """A source of wordings: names, which go into templates like class names, or whole sentences, used as given."""

    wordings: Callable[[AttackTarget], Sequence[str]]
    sentences: bool = False


#: The attacks, by their names in :data:`Group.WORDS` and :data:`Group.RELATED`.
WORD_KINDS = {
    "Its name": WordKind(lambda target: [target.concept.name]),
    "Plural": WordKind(lambda target: [plural(target.concept.name)]),
    "Synonyms": WordKind(lambda target: _synonyms(target.concept)),
    "Paraphrases": WordKind(_paraphrases, sentences=True),
    "Typos": WordKind(lambda target: typos(target.concept.name, TYPOS, target.seed)),
    "Other languages": WordKind(lambda target: _translations(target.concept)),
    "Wider words": WordKind(lambda target: _hypernyms(target.concept)),
    "Neighbours": WordKind(_neighbours),
}
