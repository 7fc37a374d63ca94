"""The answer of an audit: what it says for every mix of findings, and what does not count."""

from __future__ import annotations

import pytest

from unlearn.attacks.finding import Finding, Verdict
from unlearn.attacks.groups import PLANNED, Group
from unlearn.attacks.report import AuditReport
from unlearn.attacks.words import WORD_KINDS
from unlearn.concepts.prompts import Concept

AFTER = {"held": 0.5, "leaked": 1.0, "undecided": 0.75}


def report(known: int = 5, **verdicts: str) -> AuditReport:
    """A report with attacks of the named groups, one a letter: h for held, l leaked, u undecided, n not applicable."""
    findings = []
    for group, letters in verdicts.items():
        for number, letter in enumerate(letters):
            verdict = {"h": "held", "l": "leaked", "u": "undecided", "n": ""}[letter]
            before, after = (1.0, AFTER[verdict]) if verdict else (0.5, 0.5)
            findings.append(Finding(Group(group), f"{group} {number}", "", before, after, 0.5, n=300))
    return AuditReport(Concept("dog"), tuple(findings), 1.0, 7, known)


@pytest.mark.parametrize(
    ("found", "verdict", "answer"),
    [
        (
            report(words="hhhhhh", examples="l", probes="ll", relearning="h", soft_prompt="lu"),
            Verdict.LEAKED,
            "Not gone. Hidden from words (all 6 word attacks fail), but anyone who has the model and 5 pictures gets "
            "it back (4 of 6 succeed).",
        ),
        (
            report(words="lhhhnn", probes="l", inverse="l", quantization="h", known=1),
            Verdict.LEAKED,
            "Not gone. Mostly hidden from words (3 of 4 word attacks fail), and anyone who has the model and 1 picture "
            "gets it back (1 of 1 succeed), and anyone who has the file of the edit or its weights can undo it "
            "(1 of 2).",
        ),
        (
            report(words="llhu", probes="h"),
            Verdict.LEAKED,
            "Not gone. Not hidden from words (2 of 4 word attacks succeed), but the model and 5 pictures do not bring "
            "it back (all 1 attempts fail).",
        ),
        (
            report(words="hu", probes="uu"),
            Verdict.UNDECIDED,
            "Undecided. Whether words find it is open (1 of 2 word attacks fail, 1 undecided), and whether the model "
            "and 5 pictures bring it back is open (0 of 2 fail, 2 undecided). Measured on 7 pictures of it; more of "
            "them would decide.",
        ),
        (
            report(words="hh", related="ll"),
            Verdict.HELD,
            "Held. Hidden from words (all 2 word attacks fail). Held means against these attacks; it proves no more.",
        ),
        (
            report(words="n", related="l"),
            Verdict.NOT_APPLICABLE,
            "No answer. No attack got more out of the original model than chance.",
        ),
        (
            report(inverse="l"),
            Verdict.LEAKED,
            "Not gone. Anyone who has the file of the edit or its weights can undo it (1 of 1).",
        ),
    ],
)
def test_an_answer_says_who_gets_it_back(found: AuditReport, verdict: Verdict, answer: str):
    assert found.verdict is verdict
    assert " ".join(found.answer) == answer
    record = found.record()
    assert (record["verdict"], record["answer"], record["planned"]) == (str(verdict), answer, PLANNED)


def test_every_kind_of_words_is_named_by_its_group():
    assert (*Group.WORDS.attacks, *Group.RELATED.attacks) == tuple(WORD_KINDS)
    assert sum(len(group.attacks) for group in Group) == PLANNED == 16
