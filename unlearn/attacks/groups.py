"""Groups and measures of attacks, importable without torch: the app shows them."""

from __future__ import annotations

from enum import StrEnum

#: Names of the measures that :func:`unlearn.attacks.finding.auroc` and ``auroc_either_end`` return.
AUROC, AUROC_EITHER_END = "ranks above other pictures", "told from other pictures"


class Group(StrEnum):
    """A kind of attack, with the text shown above its findings.

    Attributes:
        heading: its name on screen.
        about: description of what attacks of this kind do.
    """

    heading: str
    about: str

    def __new__(cls, value: str, heading: str, about: str) -> Group:
        group = str.__new__(cls, value)
        group._value_ = value
        group.heading, group.about = heading, about
        return group

    WORDS = (
        "words",
        "Other words",
        "Search the gallery with them: do its pictures still stand out, first or last? Chance is what as many "
        "names of other things tell.",
    )
    EXAMPLES = "examples", "Search by example", "Pictures of the concept are the query: no word is asked for."
    PROBES = (
        "probes",
        "Linear probes",
        "A classifier learns from pictures of the concept, those that CLIPErase learns from; beside it the same on "
        "bare pixels. It finds a concept in a model that was never taught it, too.",
    )
    RELEARNING = (
        "relearning",
        "Learning it again",
        "A few pictures and fifty steps, beside a word that the model never knew.",
    )
    INVERSION = "inversion", "Soft prompt", "Tokens found by descent, which nobody could type."
    FORMATS = "casts", "Fewer bits", "The edited weights rounded, as they are when a model is made smaller."
    UNDOING = "undoing", "Undoing it", "The edit's own factors, which its file consists of, inverted."
