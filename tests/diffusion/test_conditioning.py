"""Which token states speak of a concept, and which are kept."""

from __future__ import annotations

from dataclasses import replace

import torch

from unlearn.concepts.selection import Vocabulary, load_vocabulary, prompts, select
from unlearn.diffusion.conditioning import TEMPLATES, _forget_rows, solve


def test_what_is_forgotten_begins_at_the_concepts_own_token(painter):
    """“a picture of a” says nothing of the cat that follows: those states stay, with the start of the text."""
    listener = painter.listeners[0]
    sentences, begins = prompts("cat", TEMPLATES), (1, 2, 5)
    assert sentences == ["cat", "a cat", "a picture of a cat"]
    states, neutral = listener.states(sentences), listener.states([""])[0]
    rows, targets = _forget_rows(listener, ["cat"], "")
    assert torch.equal(rows, torch.cat([state[start:] for state, start in zip(states, begins, strict=True)]))
    assert torch.equal(targets, torch.cat([neutral[start:] for start in begins]))


def test_of_a_pooled_state_all_is_forgotten(painter):
    class Pooled:
        layer = None
        tokens = painter.listeners[0].tokens
        token_ids = staticmethod(painter.listeners[0].token_ids)

        def states(self, sentences):
            return painter.listeners[0].states(sentences).mean(dim=1, keepdim=True)

    rows, targets = _forget_rows(Pooled(), ["cat"], "")
    assert rows.shape == targets.shape == (len(TEMPLATES), rows.shape[1])


def test_what_surrounds_a_short_retain_list_is_kept_too_but_less(painter):
    """With one word retained, other prompts' states changed by as much as the erased concept's."""
    listener, words = painter.listeners[0], Vocabulary.of(["cat", "dog"])
    alone = select("cat", ["dog"], vocabulary=words)
    filled = replace(alone, surroundings=load_vocabulary().names[14::7])

    def moved(selection, sentence):
        states = listener.states([sentence])
        return float((solve(listener, selection, vocabulary=words).on_states(states) - states).norm() / states.norm())

    for other in ("bicycle", "castle", "pizza"):
        assert moved(filled, f"a picture of a {other}") < 0.85 * moved(alone, f"a picture of a {other}")
    assert moved(filled, "a picture of a dog") < 0.5 * moved(filled, "a picture of a pizza") + 0.05
