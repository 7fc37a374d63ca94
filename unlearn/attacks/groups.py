"""Groups of attacks and their measures, importable without torch: what each needs, and which attacks belong to it."""

from __future__ import annotations

from enum import StrEnum

#: Names of the measures that :func:`unlearn.attacks.finding.auroc` and ``auroc_either_end`` return.
AUROC, AUROC_EITHER_END = "ranks above other pictures", "separated from other pictures"


class Access(StrEnum):
    """What an attacker needs to have."""

    WORDS = "words"
    IMAGES = "images"
    FILE = "file"


class Group(StrEnum):
    """A kind of attack, with the text shown above its findings.

    Attributes:
        heading: its name on screen.
        access: what an attacker needs.
        about: description of what attacks of this kind do, and of who could do it.
        attacks: the names of its attacks, in the order in which an audit runs them.
    """

    heading: str
    access: Access
    about: str
    attacks: tuple[str, ...]

    def __new__(cls, value: str, heading: str, access: Access, about: str, *attacks: str) -> Group:
        group = str.__new__(cls, value)
        group._value_ = value
        group.heading, group.access, group.about, group.attacks = heading, access, about, attacks
        return group

    WORDS = (
        "words",
        "Other words for it",
        Access.WORDS,
        "Anyone who can type a query. Search the gallery with them: do its pictures still stand out, first or last? "
        "Chance is measured with as many names of other things.",
        "Its name",
        "Plural",
        "Synonyms",
        "Paraphrases",
        "Typos",
        "Other languages",
    )
    EXAMPLES = (
        "examples",
        "Search by example",
        Access.IMAGES,
        "Anyone with the model and pictures of the concept, which are the query: no word is needed.",
        "Its pictures as the query",
    )
    PROBES = (
        "probes",
        "Linear probes",
        Access.IMAGES,
        "Anyone with the model and pictures of the concept: a classifier learns from them, compared with the same "
        "one on bare pixels. It also finds concepts that the model was never taught.",
        "Features after the projection",
        "Features before the projection",
    )
    RELEARNING = (
        "relearning",
        "Learning it again",
        Access.IMAGES,
        "Anyone who can train the model on a few pictures for fifty steps, compared with a word that it never knew.",
        "A little fine-tuning",
    )
    SOFT_PROMPT = (
        "soft_prompt",
        "Soft prompt",
        Access.IMAGES,
        "Anyone with the weights and pictures of the concept: optimised tokens, which nobody could type.",
        "A soft prompt",
        "What the soft prompt draws",
    )
    QUANTIZATION = (
        "quantization",
        "Fewer bits",
        Access.FILE,
        "Anyone with the edited weights, rounded as they are when a model is made smaller.",
        "Weights with fewer bits",
    )
    INVERSE = (
        "inverse",
        "Inverting the edit",
        Access.FILE,
        "Anyone with edit.safetensors, the file of the edit: its factors are inverted.",
        "The edit's inverse",
    )
    RELATED = (
        "related",
        "Related words, no leaks",
        Access.WORDS,
        "A wider word or a neighbour may still find it: these words were to be kept, so they do not count.",
        "Wider words",
        "Neighbours",
    )


#: Number of attacks of a whole audit.
PLANNED = sum(len(group.attacks) for group in Group)
